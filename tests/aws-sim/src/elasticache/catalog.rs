//! What `ElastiCache` offers: engine versions with their parameter group families, node types.

use super::rules::invalid_value;
use crate::error::AwsError;

/// Redis OSS or Valkey; replication groups have no other engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Engine {
    /// Redis OSS.
    Redis,
    /// Valkey; a Redis OSS group can be upgraded to it, never the other way.
    Valkey,
}

impl Engine {
    /// AWS takes the name in any case.
    pub fn parse(text: &str) -> Result<Self, AwsError> {
        match text.to_ascii_lowercase().as_str() {
            "redis" => Ok(Engine::Redis),
            "valkey" => Ok(Engine::Valkey),
            _ => Err(invalid_value(format!("Invalid engine {text:?} for a replication group: it is redis or valkey."))),
        }
    }

    /// As AWS answers it.
    pub fn name(self) -> &'static str {
        match self {
            Engine::Redis => "redis",
            Engine::Valkey => "valkey",
        }
    }
}

/// A version as it is asked for, as it is answered, and its parameter group family.
#[derive(Debug, PartialEq, Eq)]
pub struct Version {
    /// The engine it belongs to.
    pub engine: Engine,
    /// `7.1`: from Redis OSS 6 on AWS offers one version for each minor release and chooses the patch.
    pub asked: &'static str,
    /// `7.1.0`
    pub answered: &'static str,
    /// `redis7`
    pub family: &'static str,
}

/// Oldest first in each engine; the last of an engine's list that is marked so below is its default.
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/engine-versions.html>
const VERSIONS: [Version; 9] = [
    version(Engine::Redis, "5.0.6", "5.0.6", "redis5.0"),
    version(Engine::Redis, "6.0", "6.0.5", "redis6.x"),
    version(Engine::Redis, "6.2", "6.2.6", "redis6.x"),
    version(Engine::Redis, "7.0", "7.0.7", "redis7"),
    version(Engine::Redis, "7.1", "7.1.0", "redis7"),
    version(Engine::Valkey, "7.2", "7.2.6", "valkey7"),
    version(Engine::Valkey, "8.0", "8.0.1", "valkey8"),
    version(Engine::Valkey, "8.1", "8.1.0", "valkey8"),
    version(Engine::Valkey, "8.2", "8.2.0", "valkey8"),
];

const fn version(engine: Engine, asked: &'static str, answered: &'static str, family: &'static str) -> Version {
    Version { engine, asked, answered, family }
}

/// The version that a request means: none is the newest, `6.x` the newest 6, and a patch number from 6 on is refused.
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/engine-versions.html>
pub fn find_version(engine: Engine, asked: Option<&str>) -> Result<&'static Version, AwsError> {
    let mut of_engine = VERSIONS.iter().filter(|version| version.engine == engine);
    let Some(asked) = asked else {
        return Ok(of_engine.next_back().expect("each engine has versions"));
    };
    if asked == "6.x" && engine == Engine::Redis {
        return find_version(engine, Some("6.2"));
    }
    if let Some(found) = of_engine.find(|version| version.asked == asked) {
        return Ok(found);
    }
    if let Some(found) = VERSIONS.iter().find(|version| version.engine == engine && version.answered == asked) {
        return Err(invalid_value(format!(
            "Specific version selection is not allowed for '{asked}', please use '{}'.",
            found.asked
        )));
    }
    Err(invalid_value(format!("Cannot find version {asked} for {}.", engine.name())))
}

/// The version behind what `DescribeCacheClusters` answers.
pub fn answered_version(engine: Engine, answered: &str) -> &'static Version {
    VERSIONS
        .iter()
        .find(|version| version.engine == engine && version.answered == answered)
        .expect("only versions of the table are ever stored")
}

/// Whether AWS upgrades from one to the other: forward within an engine, or from Redis OSS to Valkey, never back.
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/VersionManagement.HowTo.html>
pub fn check_upgrade(from: &Version, to: &Version) -> Result<(), AwsError> {
    if to.engine < from.engine || to.engine == from.engine && components(to) < components(from) {
        return Err(invalid_value(format!(
            "Cannot downgrade from {} {} to {} {}: delete the replication group and create it anew with the earlier version.",
            from.engine.name(),
            from.answered,
            to.engine.name(),
            to.answered
        )));
    }
    Ok(())
}

/// In-transit encryption can be switched, and has modes, from Redis OSS 7 and Valkey 7.2 on.
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/in-transit-encryption-enable.html>
pub fn has_transit_modes(version: &Version) -> bool {
    components(version)[0] >= 7
}

fn components(version: &Version) -> Vec<u32> {
    version.answered.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

/// Families and sizes of current and still served node types (data tiering, `r6gd`, is not served here).
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/CacheNodes.SupportedTypes.html>
const NODE_TYPES: [(&str, &str); 12] = [
    ("t2", "micro small medium"),
    ("t3", "micro small medium"),
    ("t4g", "micro small medium"),
    ("m4", "large xlarge 2xlarge 4xlarge 10xlarge"),
    ("m5", "large xlarge 2xlarge 4xlarge 12xlarge 24xlarge"),
    ("m6g", "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge"),
    ("m7g", "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge"),
    ("r4", "large xlarge 2xlarge 4xlarge 8xlarge 16xlarge"),
    ("r5", "large xlarge 2xlarge 4xlarge 12xlarge 24xlarge"),
    ("r6g", "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge"),
    ("r7g", "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge"),
    ("c7gn", "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge"),
];

/// Refuses a node type that AWS does not have.
pub fn check_node_type(name: &str) -> Result<(), AwsError> {
    let known = name.strip_prefix("cache.").and_then(|rest| rest.split_once('.')).is_some_and(|(family, size)| {
        NODE_TYPES.iter().any(|(known, sizes)| *known == family && sizes.split(' ').any(|one| one == size))
    });
    if known {
        return Ok(());
    }
    Err(invalid_value(format!("Invalid Cache Node Type: {name}.")))
}

/// All families of parameter groups.
pub fn families() -> Vec<&'static str> {
    let mut families: Vec<_> = VERSIONS.iter().map(|version| version.family).collect();
    families.dedup();
    families
}

/// The family of that name, which must be one of a version that is served.
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CreateCacheParameterGroup.html>
pub fn family(name: &str) -> Result<&'static str, AwsError> {
    let known = families().into_iter().find(|family| *family == name);
    known.ok_or_else(|| invalid_value(format!("CacheParameterGroupFamily {name} is not a valid family.")))
}

/// The oldest version of a family, as it is answered.
pub fn oldest_version(family: &str) -> &'static str {
    VERSIONS.iter().find(|version| version.family == family).map_or("", |version| version.answered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_asked_for_without_its_patch() {
        for (engine, asked, answered) in [
            (Engine::Redis, Some("7.1"), "7.1.0"),
            (Engine::Redis, Some("6.x"), "6.2.6"),
            (Engine::Redis, Some("5.0.6"), "5.0.6"),
            (Engine::Redis, None, "7.1.0"),
            (Engine::Valkey, Some("8.0"), "8.0.1"),
        ] {
            assert_eq!(find_version(engine, asked).unwrap().answered, answered);
        }
        for (engine, asked) in
            [(Engine::Redis, "7.1.0"), (Engine::Redis, "8.0"), (Engine::Valkey, "7.1"), (Engine::Redis, "7")]
        {
            let error = find_version(engine, Some(asked)).unwrap_err();
            assert_eq!(error.code, "InvalidParameterValue", "{asked}");
        }
    }

    #[test]
    fn versions_go_forward_only() {
        let redis = |asked| find_version(Engine::Redis, Some(asked)).unwrap();
        let valkey = |asked| find_version(Engine::Valkey, Some(asked)).unwrap();
        for (from, to, good) in [
            (redis("7.0"), redis("7.1"), true),
            (redis("7.1"), redis("7.0"), false),
            (redis("6.2"), redis("7.1"), true),
            (redis("7.1"), valkey("7.2"), true),
            (valkey("7.2"), redis("7.1"), false),
            (valkey("8.1"), valkey("8.0"), false),
            (valkey("8.1"), valkey("8.1"), true),
        ] {
            assert_eq!(check_upgrade(from, to).is_ok(), good, "{from:?} to {to:?}");
        }
    }

    #[test]
    fn unknown_node_types_are_refused() {
        assert!(check_node_type("cache.t3.micro").is_ok());
        for name in ["cache.t3.huge", "db.t3.micro", "t3.micro", "cache.x9.micro", ""] {
            assert!(check_node_type(name).is_err(), "{name}");
        }
    }

    #[test]
    fn families_are_those_of_the_versions() {
        assert_eq!(families(), ["redis5.0", "redis6.x", "redis7", "valkey7", "valkey8"]);
        assert_eq!(family("memcached1.6").unwrap_err().code, "InvalidParameterValue");
        assert_eq!(oldest_version("valkey8"), "8.0.1");
    }
}
