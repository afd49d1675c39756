//! What RDS for PostgreSQL has: versions and classes.

use super::rules::{combination, invalid, matches};
use crate::error::AwsError;

/// The newest minor versions of each major version:
/// <https://docs.aws.amazon.com/AmazonRDS/latest/PostgreSQLReleaseNotes/postgresql-release-calendar.html>
const VERSIONS: [(u32, std::ops::RangeInclusive<u32>); 3] = [(15, 7..=14), (16, 3..=10), (17, 2..=6)];

/// Families and the sizes that they have, as far as this project may meet them:
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.DBInstanceClass.Support.html>
const CLASSES: [(&str, &[&str]); 10] = [
    ("t3", &["micro", "small", "medium", "large", "xlarge", "2xlarge"]),
    ("t4g", &["micro", "small", "medium", "large", "xlarge", "2xlarge"]),
    ("m5", &["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge"]),
    ("m6g", &["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"]),
    ("m6i", &["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge"]),
    ("m7g", &["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"]),
    ("r5", &["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge"]),
    ("r6g", &["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"]),
    ("r6i", &["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge"]),
    ("r7g", &["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"]),
];

/// Engines that RDS has and the stand-in has not.
const OTHER_ENGINES: [&str; 8] = [
    "mysql",
    "mariadb",
    "aurora-mysql",
    "aurora-postgresql",
    "oracle-se2",
    "oracle-ee",
    "sqlserver-ex",
    "sqlserver-se",
];

pub(super) fn engine(name: &str) -> Result<(), AwsError> {
    match name {
        "postgres" => Ok(()),
        other if OTHER_ENGINES.contains(&other) => Err(AwsError::not_implemented(format!("the engine {other} of rds"))),
        other => Err(invalid(format!("Invalid DB engine: {other}"))),
    }
}

/// The full version that is meant: `16` is the newest 16, none the newest of all.
pub(super) fn engine_version(wanted: Option<&str>) -> Result<String, AwsError> {
    let Some(wanted) = wanted else { return Ok(newest(17)) };
    let known = |(major, minors): &(u32, std::ops::RangeInclusive<u32>)| {
        if wanted == major.to_string() {
            return Some(newest(*major));
        }
        minors.clone().map(|minor| format!("{major}.{minor}")).find(|version| version == wanted)
    };
    VERSIONS.iter().find_map(known).ok_or_else(|| combination(format!("Cannot find version {wanted} for postgres")))
}

fn newest(major: u32) -> String {
    let minors = VERSIONS.iter().find(|(known, _)| *known == major).map(|(_, minors)| minors);
    format!("{major}.{}", minors.map_or(0, |minors| *minors.end()))
}

/// The parts of a version, to be compared.
pub(super) fn parts(version: &str) -> (u32, u32) {
    let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
    (major.parse().unwrap_or_default(), minor.parse().unwrap_or_default())
}

/// Whether an instance of one version can become one of the other: of the same major version to a later minor one, and
/// of a later major version to those minor ones that are as new as its own.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_UpgradeDBInstance.PostgreSQL.MajorVersion.html>
pub(super) fn is_upgrade_target(from: &str, to: &str) -> bool {
    // PostgreSQL releases the minor versions of all major ones on one day: 15.8 with 16.4, 16.6 with 17.2.
    let release = |(major, minor): (u32, u32)| minor + 4 * major;
    let (from, to) = (parts(from), parts(to));
    from.0 <= to.0 && release(from) <= release(to)
}

pub(super) fn family(version: &str) -> String {
    format!("postgres{}", parts(version).0)
}

pub(super) fn is_family(family: &str) -> bool {
    VERSIONS.iter().any(|(major, _)| family == format!("postgres{major}"))
}

pub(super) fn families() -> impl Iterator<Item = String> {
    VERSIONS.iter().map(|(major, _)| format!("postgres{major}"))
}

pub(super) fn instance_class(class: &str) -> Result<String, AwsError> {
    let known = matches(r"^db\.[a-z0-9]+\.[a-z0-9]+$", class)
        && CLASSES.iter().any(|(family, sizes)| sizes.iter().any(|size| class == format!("db.{family}.{size}")));
    if known { Ok(class.to_owned()) } else { Err(invalid(format!("Invalid DB Instance class: {class}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_major_version_means_its_newest_minor() {
        assert_eq!(engine_version(Some("16")).unwrap(), "16.10");
        assert_eq!(engine_version(Some("16.3")).unwrap(), "16.3");
        assert_eq!(engine_version(Some("16.99")).unwrap_err().code, "InvalidParameterCombination");
        assert_eq!(engine_version(Some("9.6")).unwrap_err().code, "InvalidParameterCombination");
        assert!(parts("16.10") > parts("16.9"));
    }

    #[test]
    fn an_upgrade_goes_to_what_is_as_new() {
        let table = [
            ("16.4", "16.4", true),
            ("16.4", "16.10", true),
            ("16.10", "16.4", false),
            ("16.10", "17.6", true),
            ("16.10", "17.5", false),
            ("15.8", "16.4", true),
            ("15.9", "16.4", false),
            ("17.2", "16.10", false),
        ];
        for (from, to, can) in table {
            assert_eq!(is_upgrade_target(from, to), can, "{from} to {to}");
        }
    }

    #[test]
    fn unknown_classes_and_engines_are_refused() {
        assert!(instance_class("db.t3.micro").is_ok());
        assert_eq!(instance_class("db.t3.gigantic").unwrap_err().code, "InvalidParameterValue");
        assert_eq!(instance_class("t3.micro").unwrap_err().code, "InvalidParameterValue");
        assert_eq!(engine("mysql").unwrap_err().code, "NotImplemented");
        assert_eq!(engine("dbase").unwrap_err().code, "InvalidParameterValue");
    }
}
