//! Final snapshots: their names, and what must be seen of one before the finalizer goes. Pure.

use crate::{decision::Verdict, error::note};

/// A final snapshot, as AWS answers it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FinalSnapshot {
    /// Its name.
    pub id: String,
    /// AWS's status of it.
    pub status: String,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// AWS's immutable id of its source, where the answer has one.
    pub source: Option<String>,
}

/// Final snapshots carry the object's uid and a counter, since their names must be unique for ever.
pub fn prefix(identifier: &str, uid: &str) -> String {
    let uid: String = uid.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
    format!("{identifier}-final-{uid}-")
}

/// The name of the next final snapshot.
pub fn next_name(identifier: &str, uid: &str, made: &[FinalSnapshot]) -> String {
    let prefix = prefix(identifier, uid);
    let number = |snapshot: &FinalSnapshot| snapshot.id.strip_prefix(&prefix).and_then(|n| n.parse::<u32>().ok());
    let last = made.iter().filter_map(number).max().unwrap_or(0);
    format!("{prefix}{}", last + 1)
}

/// Whether the final snapshot of a store that is gone lets the finalizer go; if not, why. Where the store's id is not
/// known any more, a snapshot made for this object is taken by its name alone.
pub fn verify(identifier: &str, source: Option<&str>, made: &[FinalSnapshot]) -> Result<(), Verdict> {
    // By its counter: AWS does not promise an order.
    let number = |snapshot: &&FinalSnapshot| snapshot.id.rsplit('-').next().and_then(|n| n.parse::<u32>().ok());
    let of_it = |snapshot: &&FinalSnapshot| match (snapshot.source.as_deref(), source) {
        (Some(of), Some(source)) => of == source,
        _ => true,
    };
    let newest = made.iter().filter(of_it).max_by_key(number);
    let Some(snapshot) = newest else {
        let message = format!(
            "{identifier} is gone and its final snapshot is not found: somebody deleted it without one. Set deletionPolicy: Delete \
             to let this object go"
        );
        return Err(Verdict::Stalled(note("SnapshotMissing", message)));
    };
    match (snapshot.status.as_str(), snapshot.encrypted) {
        ("available", true) => Ok(()),
        ("creating", _) => {
            Err(Verdict::Working(note("Deleting", format!("AWS is making the final snapshot {}", snapshot.id))))
        }
        (status, encrypted) => {
            let encrypted = if encrypted { "encrypted" } else { "not encrypted" };
            let message = format!(
                "the final snapshot {} is {status} and {encrypted}; this object stays until somebody has looked at it. Set \
                 deletionPolicy: Delete to let it go",
                snapshot.id
            );
            Err(Verdict::Stalled(note("SnapshotUnusable", message)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(id: &str, status: &str, encrypted: bool, source: Option<&str>) -> FinalSnapshot {
        FinalSnapshot { id: id.into(), status: status.into(), encrypted, source: source.map(str::to_owned) }
    }

    fn reason(source: Option<&str>, snapshots: &[FinalSnapshot]) -> &'static str {
        match verify("d", source, snapshots) {
            Ok(()) => "ok",
            Err(Verdict::Working(why) | Verdict::Stalled(why) | Verdict::Ready(why)) => why.reason,
        }
    }

    #[test]
    fn rule_06_the_finalizer_waits_for_a_usable_snapshot_of_this_very_store() {
        let table = [
            ("available and encrypted", vec![made("d-1", "available", true, Some("db-A"))], "ok"),
            ("being made", vec![made("d-1", "creating", true, Some("db-A"))], "Deleting"),
            ("not encrypted", vec![made("d-1", "available", false, Some("db-A"))], "SnapshotUnusable"),
            ("failed", vec![made("d-1", "failed", true, Some("db-A"))], "SnapshotUnusable"),
            ("of another instance", vec![made("d-1", "available", true, Some("db-B"))], "SnapshotMissing"),
            ("none", vec![], "SnapshotMissing"),
        ];
        for (situation, snapshots, expected) in table {
            let came_out = reason(Some("db-A"), &snapshots);
            assert_eq!(came_out, expected, "{situation}");
        }
        let of_some = |encrypted| [made("d-1", "available", encrypted, Some("db-A"))];
        assert_eq!(reason(None, &of_some(true)), "ok", "its id is not known any more");
        assert_eq!(reason(None, &of_some(false)), "SnapshotUnusable", "likewise, not encrypted");
        assert_eq!(reason(None, &[]), "SnapshotMissing", "likewise, none");
    }

    #[test]
    fn a_name_is_never_used_twice() {
        let name = next_name("shop", "0a1b2c3d-4e5f", &[]);
        assert_eq!(name, "shop-final-0a1b2c3d-1");
        assert_eq!(next_name("shop", "0a1b2c3d-4e5f", &[made(&name, "failed", true, None)]), "shop-final-0a1b2c3d-2");
    }
}
