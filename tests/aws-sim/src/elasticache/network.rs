//! Where caches are: the account's VPC, its subnet groups and security groups, and the names of endpoints.
//!
//! There is no EC2 behind this: every well-formed subnet and security group id exists, unless a test says otherwise
//! ([`super::ElastiCache::make_unknown`]).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::rules::{invalid_value, refused};
use super::state::{Group, Member, Tags};
use crate::error::AwsError;
use crate::log::digest;

/// A named set of subnets.
#[derive(Clone, Debug)]
pub struct SubnetGroup {
    /// `CacheSubnetGroupName`
    pub name: String,
    /// `CacheSubnetGroupDescription`
    pub description: String,
    /// `ARN`
    pub arn: String,
    /// Subnet ids.
    pub subnets: Vec<String>,
    /// Its tags.
    pub tags: Tags,
}

impl SubnetGroup {
    /// The group `default`, which AWS makes of the default VPC when a cache is created without a subnet group.
    /// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/SubnetGroups.html>
    pub fn of_default_vpc(arn: String, account: &str, region: &str) -> Self {
        let subnets = (0..3).map(|zone| format!("subnet-{}", hex(&[account, region, &zone.to_string()], 17))).collect();
        SubnetGroup {
            name: "default".to_owned(),
            description: "Default CacheSubnetGroup".to_owned(),
            arn,
            subnets,
            tags: Tags::new(),
        }
    }

    /// As AWS answers it.
    pub fn answer(&self, account: &str, region: &str) -> Value {
        let subnets: Vec<_> = self
            .subnets
            .iter()
            .enumerate()
            .map(|(number, subnet)| {
                json!({
                    "SubnetIdentifier": subnet,
                    "SubnetAvailabilityZone": {"Name": zone(region, number)},
                    "SupportedNetworkTypes": ["ipv4"],
                })
            })
            .collect();
        json!({
            "CacheSubnetGroupName": self.name,
            "CacheSubnetGroupDescription": self.description,
            "VpcId": vpc(account, region),
            "Subnets": subnets,
            "ARN": self.arn,
            "SupportedNetworkTypes": ["ipv4"],
        })
    }
}

/// The account's VPC in a region.
pub fn vpc(account: &str, region: &str) -> String {
    format!("vpc-{}", hex(&[account, region, "vpc"], 17))
}

/// The VPC's default security group, taken when none is given.
pub fn default_security_group(account: &str, region: &str) -> String {
    format!("sg-{}", hex(&[account, region, "sg"], 17))
}

/// The nth availability zone of a region.
pub fn zone(region: &str, number: usize) -> String {
    format!("{region}{}", ['a', 'b', 'c'][number % 3])
}

/// Refuses ids that no security group can have, or that a test has made unknown.
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CreateReplicationGroup.html>
pub fn check_security_groups(ids: &[String], unknown: &BTreeSet<String>) -> Result<(), AwsError> {
    for id in ids {
        if !resource_id(id, "sg-") || unknown.contains(id) {
            return Err(invalid_value(format!("The security group '{id}' does not exist")));
        }
    }
    Ok(())
}

/// Likewise for subnets.
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CreateCacheSubnetGroup.html>
pub fn check_subnets(ids: &[String], unknown: &BTreeSet<String>) -> Result<(), AwsError> {
    for id in ids {
        if !resource_id(id, "subnet-") || unknown.contains(id) {
            return Err(refused("InvalidSubnet", format!("The subnet ID '{id}' does not exist")));
        }
    }
    Ok(())
}

fn resource_id(id: &str, prefix: &str) -> bool {
    id.strip_prefix(prefix).is_some_and(|rest| {
        matches!(rest.len(), 8 | 17) && rest.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    })
}

/// The names of a group's endpoints; they differ with encryption in transit and with cluster mode.
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Endpoints.html>
pub struct Endpoints<'a>(pub &'a Group);

impl Endpoints<'_> {
    fn domain(&self) -> (String, String) {
        domain(&self.0.account, &self.0.region)
    }

    /// What clients of a group in cluster mode connect to.
    pub fn configuration(&self) -> Value {
        let (hash, domain) = self.domain();
        let id = &self.0.id;
        self.at(&if self.0.transit.is_some() {
            format!("clustercfg.{id}.{hash}.{domain}")
        } else {
            format!("{id}.{hash}.clustercfg.{domain}")
        })
    }

    /// The node that takes writes.
    pub fn primary(&self) -> Value {
        let (hash, domain) = self.domain();
        let id = &self.0.id;
        self.at(&if self.0.transit.is_some() {
            format!("master.{id}.{hash}.{domain}")
        } else {
            format!("{id}.{hash}.ng.0001.{domain}")
        })
    }

    /// All replicas, or the primary if there are none.
    pub fn reader(&self) -> Value {
        let (hash, domain) = self.domain();
        let id = &self.0.id;
        self.at(&if self.0.transit.is_some() {
            format!("replica.{id}.{hash}.{domain}")
        } else {
            format!("{id}-ro.{hash}.ng.0001.{domain}")
        })
    }

    /// One node.
    pub fn member(&self, member: &Member) -> Value {
        let (hash, domain) = self.domain();
        let Member { id, shard, .. } = member;
        self.at(&if self.0.transit.is_some() {
            format!("{id}.{}.{hash}.{domain}", self.0.id)
        } else {
            format!("{id}.{hash}.{shard:04}.{domain}")
        })
    }

    fn at(&self, address: &str) -> Value {
        json!({"Address": address, "Port": self.0.settings.port})
    }
}

/// The endpoint of a stand-alone cluster.
pub fn cluster_endpoint(id: &str, account: &str, region: &str, port: i64) -> Value {
    let (hash, domain) = domain(account, region);
    json!({"Address": format!("{id}.{hash}.0001.{domain}"), "Port": port})
}

fn domain(account: &str, region: &str) -> (String, String) {
    let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
    let domain = format!("{}.cache.amazonaws.com{suffix}", short(region));
    (hex(&[account, region, "domain"], 6), domain)
}

/// `us-east-1` is `use1` in names of endpoints, `ap-southeast-2` `apse2`.
fn short(region: &str) -> String {
    let mut parts = region.split('-');
    let area = parts.next().unwrap_or_default();
    let rest = parts.map(|part| match part {
        "southeast" => "se",
        "northeast" => "ne",
        "southwest" => "sw",
        "northwest" => "nw",
        other => other.get(..1).unwrap_or_default(),
    });
    std::iter::once(area).chain(rest).collect()
}

fn hex(seed: &[&str], length: usize) -> String {
    digest(&format!("elasticache {}", seed.join(" ")))[..length].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_short_in_endpoints() {
        for (region, name) in
            [("us-east-1", "use1"), ("eu-central-1", "euc1"), ("ap-southeast-2", "apse2"), ("ap-northeast-1", "apne1")]
        {
            assert_eq!(short(region), name);
        }
    }

    #[test]
    fn malformed_and_unknown_ids_do_not_exist() {
        let id = "sg-0123456789abcdef0".to_owned();
        let nobody = BTreeSet::new();
        assert!(check_security_groups(std::slice::from_ref(&id), &nobody).is_ok());
        assert!(check_security_groups(std::slice::from_ref(&id), &BTreeSet::from([id.clone()])).is_err());
        for id in ["sg-1", "sg-0123456789ABCDEF0", "subnet-0123456789abcdef0"] {
            let error = check_security_groups(&[id.to_owned()], &nobody).unwrap_err();
            assert_eq!(error.code, "InvalidParameterValue");
        }
        assert_eq!(check_subnets(&["nothing".to_owned()], &nobody).unwrap_err().code, "InvalidSubnet");
        assert!(check_subnets(&["subnet-0a1b2c3d".to_owned()], &nobody).is_ok());
    }
}
