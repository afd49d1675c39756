//! The tests that a judge cannot serve, each with its reason: `tests/e2e/judges.yaml`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::error::{Error, FileError as _, Result};
use crate::tools;

/// For each judge, groups of tests and why it cannot serve them; those under `elsewhere` nobody but our stand-in can.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct Lists(BTreeMap<String, Vec<Group>>);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    reason: String,
    tests: Vec<String>,
}

impl Lists {
    /// As they stand in the checkout. Each name in them must be one of `tests`, so that none outlives its test.
    pub fn read(tests: &[String]) -> Result<Self> {
        let path = tools::workspace().join("tests/e2e/judges.yaml");
        let text = std::fs::read_to_string(&path).file("read", &path)?;
        Self::parse(&text, tests)
    }

    fn parse(text: &str, tests: &[String]) -> Result<Self> {
        let failed = |why: String| Error::Other(format!("tests/e2e/judges.yaml: {why}"));
        let lists: Self = serde_saphyr::from_str(text).map_err(|error| failed(error.to_string()))?;
        for name in lists.0.values().flatten().flat_map(|group| &group.tests) {
            if !tests.iter().any(|test| fits(name, test)) {
                return Err(failed(format!("there is no test {name}")));
            }
        }
        Ok(lists)
    }

    /// Why this test cannot be served, if one of these lists says so.
    pub fn reason(&self, lists: &[&str], test: &str) -> Option<&str> {
        let groups = lists.iter().filter_map(|list| self.0.get(*list)).flatten();
        groups
            .into_iter()
            .find(|group| group.tests.iter().any(|name| fits(name, test)))
            .map(|group| group.reason.as_str())
    }
}

/// `module::*` means all tests of a module.
fn fits(name: &str, test: &str) -> bool {
    name.strip_suffix('*').map_or(name == test, |module| test.starts_with(module))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTS: &str = "
elsewhere:
  - reason: needs the stand-in itself
    tests: ['cache::lost']
moto:
  - reason: it forgets tags
    tests: ['bucket::*']
";

    #[test]
    fn a_test_is_listed_by_name_or_by_module_for_one_judge_or_all() {
        let tests = ["cache::lost", "bucket::made", "cache::made"].map(str::to_owned);
        let lists = Lists::parse(LISTS, &tests).unwrap();
        assert_eq!(lists.reason(&["elsewhere", "moto"], "cache::lost"), Some("needs the stand-in itself"));
        assert_eq!(lists.reason(&["elsewhere", "endpoint"], "cache::lost"), Some("needs the stand-in itself"));
        assert_eq!(lists.reason(&["elsewhere", "moto"], "bucket::made"), Some("it forgets tags"));
        assert_eq!(lists.reason(&["elsewhere", "endpoint"], "bucket::made"), None);
        assert_eq!(lists.reason(&["elsewhere", "moto"], "cache::made"), None);
        assert_eq!(lists.reason(&["pod"], "cache::lost"), None);
    }

    #[test]
    fn a_list_that_names_no_test_is_an_error() {
        let error = Lists::parse(LISTS, &["bucket::made".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("there is no test cache::lost"), "{error}");
    }
}
