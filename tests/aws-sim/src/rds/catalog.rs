//! What RDS for PostgreSQL has: versions, classes, storage.

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

/// The storage of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Storage {
    pub(super) kind: String,
    /// GiB.
    pub(super) allocated: i64,
    pub(super) iops: Option<i64>,
    /// MiB a second.
    pub(super) throughput: Option<i64>,
}

impl Storage {
    /// What results from these wishes, by the rules of
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html>.
    pub(super) fn new(
        kind: Option<&str>,
        allocated: Option<i64>,
        iops: Option<i64>,
        throughput: Option<i64>,
    ) -> Result<Self, AwsError> {
        let kind = kind.unwrap_or(if iops.is_some() { "io1" } else { "gp3" });
        let allocated = allocated.ok_or_else(|| {
            AwsError::new("MissingParameter", "The request must contain the parameter AllocatedStorage.")
        })?;
        let (least, most) = match kind {
            "gp2" | "gp3" => (20, 65536),
            "io1" | "io2" => (100, 65536),
            "standard" => (5, 3072),
            other => return Err(invalid(format!("Invalid storage type: {other}"))),
        };
        if !(least..=most).contains(&allocated) {
            return Err(invalid(format!(
                "Invalid storage size for engine name postgres and storage type {kind}: {allocated}"
            )));
        }
        let (iops, throughput) = match kind {
            "gp3" => gp3(allocated, iops, throughput)?,
            "io1" | "io2" => (Some(provisioned(kind, allocated, iops)?), None),
            _ if iops.is_some() || throughput.is_some() => {
                return Err(combination(format!(
                    "You can't specify IOPS or storage throughput for storage type {kind}."
                )));
            }
            _ => (None, None),
        };
        Ok(Self { kind: kind.to_owned(), allocated, iops, throughput })
    }
}

/// Baseline 3,000 IOPS and 125 MiB/s; four volumes from 400 GiB on, and only
/// then to be chosen.
fn gp3(allocated: i64, iops: Option<i64>, throughput: Option<i64>) -> Result<(Option<i64>, Option<i64>), AwsError> {
    if allocated < 400 {
        let baseline = |value: Option<i64>, base| value.is_none_or(|value| value == base);
        if !baseline(iops, 3000) || !baseline(throughput, 125) {
            return Err(combination(
                "You can't specify IOPS or storage throughput for engine postgres and a storage size \
                 less than 400.",
            ));
        }
        return Ok((Some(3000), Some(125)));
    }
    let (iops, throughput) = (iops.unwrap_or(12000), throughput.unwrap_or(500));
    if !(12000..=64000).contains(&iops) || !(500..=4000).contains(&throughput) {
        return Err(combination(format!(
            "Invalid IOPS or storage throughput for storage type gp3: {iops}, {throughput}"
        )));
    }
    Ok((Some(iops), Some(throughput)))
}

fn provisioned(kind: &str, allocated: i64, iops: Option<i64>) -> Result<i64, AwsError> {
    let iops = iops.ok_or_else(|| combination(format!("You must specify Iops when the storage type is {kind}.")))?;
    if !(1000..=256_000).contains(&iops) || iops * 2 < allocated || iops > allocated * 50 {
        return Err(combination(format!("The IOPS to GiB ratio of {iops} to {allocated} is not allowed.")));
    }
    Ok(iops)
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
    fn storage_has_a_floor_and_its_baseline() {
        let code = |kind, gib, iops| Storage::new(Some(kind), Some(gib), iops, None).map_err(|error| error.code);
        assert_eq!(code("gp3", 1, None), Err("InvalidParameterValue".into()));
        assert_eq!(code("floppy", 20, None), Err("InvalidParameterValue".into()));
        assert_eq!(code("gp3", 20, Some(6000)), Err("InvalidParameterCombination".into()));
        assert_eq!(code("io1", 100, None), Err("InvalidParameterCombination".into()));
        assert_eq!(code("gp2", 20, None).unwrap().iops, None);
        assert_eq!(code("gp3", 20, None).unwrap().iops, Some(3000));
        assert_eq!(code("gp3", 400, None).unwrap().throughput, Some(500));
        assert_eq!(Storage::new(None, None, None, None).unwrap_err().code, "MissingParameter");
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
