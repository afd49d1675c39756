//! Lists of objects and versions, page by page.

use super::objects::{Objects, Version};

/// The most entries that one page has,
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>.
pub const MOST_KEYS: usize = 1000;

/// What is asked of a list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter<'a> {
    /// Only keys that begin so.
    pub prefix: &'a str,
    /// Keys that go on beyond this are rolled up into one common prefix.
    pub delimiter: Option<&'a str>,
    /// At most so many entries.
    pub limit: usize,
}

/// One page of a list.
pub struct Page<T> {
    /// The entries.
    pub entries: Vec<T>,
    /// The common prefixes among them.
    pub prefixes: Vec<String>,
    /// The key or common prefix (and version) after which the next page
    /// begins, if there is one.
    pub next: Option<(String, Option<String>)>,
}

/// One page of the current objects' keys, after a key or common prefix.
pub fn current(objects: &Objects, filter: Filter<'_>, after: Option<&str>) -> Page<String> {
    let keys = objects.current().map(|(key, _, _)| key).filter(|key| after.is_none_or(|after| *key > after));
    let page = page(keys.map(|key| (key, None)), filter, after);
    Page {
        entries: page.entries.into_iter().map(|(key, _)| key.to_owned()).collect(),
        prefixes: page.prefixes,
        next: page.next,
    }
}

/// One page of versions and delete markers, after a key or after one version
/// of it, <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html>.
pub fn versions<'o>(
    objects: &'o Objects,
    filter: Filter<'_>,
    key_marker: Option<&str>,
    version_marker: Option<&str>,
) -> Page<(&'o str, &'o Version, bool)> {
    // Whether the marked version was passed already.
    let mut passed = false;
    let after = objects.versions().filter(move |(key, version, _)| {
        let Some(marker) = key_marker else {
            return true;
        };
        if *key != marker {
            return *key > marker;
        }
        if passed {
            return true;
        }
        passed = version_marker == Some(version.id.as_str());
        false
    });
    let page = page(after.map(|entry| (entry.0, Some(entry))), filter, key_marker);
    Page {
        entries: page.entries.into_iter().filter_map(|(_, entry)| entry).collect(),
        prefixes: page.prefixes,
        next: page.next,
    }
}

/// A key, and the version of it if versions are listed.
type Entry<'o> = (&'o str, Option<(&'o str, &'o Version, bool)>);

fn page<'o>(keys: impl Iterator<Item = Entry<'o>>, filter: Filter<'_>, after: Option<&str>) -> Page<Entry<'o>> {
    let mut page = Page { entries: Vec::new(), prefixes: Vec::<String>::new(), next: None };
    let mut last = None;
    for (key, entry) in keys {
        let Some(tail) = key.strip_prefix(filter.prefix) else {
            continue;
        };
        let common = filter.delimiter.filter(|delimiter| !delimiter.is_empty()).and_then(|delimiter| {
            let end = tail.find(delimiter)? + delimiter.len();
            Some(&key[..filter.prefix.len() + end])
        });
        if let Some(common) = common {
            // Told on this page or on the one before.
            if page.prefixes.last().is_some_and(|last| last == common) || after == Some(common) {
                continue;
            }
        }
        if page.entries.len() + page.prefixes.len() == filter.limit {
            // A page of none is the whole answer.
            page.next = last;
            break;
        }
        if let Some(common) = common {
            page.prefixes.push(common.to_owned());
            last = Some((common.to_owned(), None));
        } else {
            page.entries.push((key, entry));
            last = Some((key.to_owned(), entry.map(|(_, version, _)| version.id.clone())));
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::s3::bucket::Versioning;
    use crate::s3::objects::tests::object;

    fn objects(keys: &[&str]) -> Objects {
        let mut objects = Objects::default();
        for key in keys {
            objects.put(key, object("x"), Versioning::Enabled, Timestamp::UNIX_EPOCH);
        }
        objects
    }

    #[test]
    fn pages_of_keys_and_common_prefixes() {
        let objects = objects(&["a", "b/1", "b/2", "b/3", "c", "d/1"]);
        let mut seen = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let filter = Filter { prefix: "", delimiter: Some("/"), limit: 2 };
            let page = current(&objects, filter, after.as_deref());
            assert!(page.entries.len() + page.prefixes.len() <= 2);
            seen.extend(page.entries);
            seen.extend(page.prefixes);
            match page.next {
                Some((next, _)) => after = Some(next),
                None => break,
            }
        }
        seen.sort();
        assert_eq!(seen, ["a", "b/", "c", "d/"]);
        let filter = Filter { prefix: "b/", delimiter: None, limit: 1000 };
        assert_eq!(current(&objects, filter, None).entries, ["b/1", "b/2", "b/3"]);
        let none = current(&objects, Filter::default(), None);
        assert!(none.entries.is_empty() && none.next.is_none());
    }

    #[test]
    fn pages_of_versions_split_a_key() {
        let objects = objects(&["a", "a", "a", "b"]);
        let filter = Filter { prefix: "", delimiter: None, limit: 2 };
        let first = versions(&objects, filter, None, None);
        assert_eq!(first.entries.len(), 2);
        let (key, version) = first.next.expect("there is more");
        let second = versions(&objects, filter, Some(&key), version.as_deref());
        let keys: Vec<&str> = second.entries.iter().map(|(key, _, _)| *key).collect();
        assert_eq!(keys, ["a", "b"]);
        assert!(second.next.is_none());
        let after_a = versions(&objects, filter, Some("a"), None);
        assert_eq!(after_a.entries.len(), 1);
    }
}
