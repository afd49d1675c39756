//! Subnet groups, as far as instances need them.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_VPC.WorkingWithRDSInstanceinaVPC.html>

use serde_json::{Value, json};

use super::describe::page;
use super::rules::{self, Tags, invalid, matches};
use super::{Answer, Region};
use crate::call::Call;
use crate::error::AwsError;
use crate::log::digest;

/// A subnet group.
#[derive(Clone, Debug)]
pub(super) struct SubnetGroup {
    name: String,
    description: String,
    subnets: Vec<String>,
    pub(super) tags: Tags,
}

impl SubnetGroup {
    /// That of the default VPC, which every region has.
    fn default_of(call: &Call<'_>) -> Self {
        let subnet =
            |zone: &str| format!("subnet-{}", &digest(&format!("{}/{}/{zone}", call.account, call.region))[..17]);
        Self {
            name: "default".to_owned(),
            description: "default".to_owned(),
            subnets: ["a", "b", "c"].map(subnet).to_vec(),
            tags: Tags::new(),
        }
    }

    fn show(&self, call: &Call<'_>) -> Value {
        let vpc = &digest(&format!("{}/{}/vpc", call.account, call.region))[..17];
        let subnet = |(id, zone): (&String, &str)| {
            json!({
                "SubnetIdentifier": id,
                "SubnetStatus": "Active",
                "SubnetAvailabilityZone": {"Name": format!("{}{zone}", call.region)},
                "SubnetOutpost": {},
            })
        };
        json!({
            "DBSubnetGroupName": self.name,
            "DBSubnetGroupDescription": self.description,
            "DBSubnetGroupArn": call.arn("rds", &format!("subgrp:{}", self.name)),
            "SubnetGroupStatus": "Complete",
            "VpcId": format!("vpc-{vpc}"),
            "Subnets": self.subnets.iter().zip(["a", "b", "c"].into_iter().cycle()).map(subnet).collect::<Value>(),
            "SupportedNetworkTypes": ["IPV4"],
        })
    }
}

impl Region {
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBSubnetGroup.html>
    pub(super) fn create_db_subnet_group(&mut self, call: &Call<'_>) -> Answer {
        let name = call.text("DBSubnetGroupName").unwrap_or_default().to_ascii_lowercase();
        if name == "default" || !matches(r"^[a-z0-9. _-]{1,255}$", &name) {
            return Err(invalid(format!("The parameter DBSubnetGroupName '{name}' is not a valid name.")));
        }
        if self.subnet_groups.contains_key(&name) {
            return Err(AwsError::new(
                "DBSubnetGroupAlreadyExists",
                format!("The DB subnet group '{name}' already exists."),
            ));
        }
        let subnets: Vec<String> =
            call.list("SubnetIds").into_iter().flatten().filter_map(|id| id.as_str().map(str::to_owned)).collect();
        if let Some(id) = subnets.iter().find(|id| !matches("^subnet-[0-9a-f]{8,17}$", id)) {
            return Err(AwsError::new("InvalidSubnet", format!("The subnet '{id}' does not exist.")));
        }
        if subnets.len() < 2 {
            return Err(AwsError::new(
                "DBSubnetGroupDoesNotCoverEnoughAZs",
                "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. Add \
                 subnets to cover at least 2 AZs.",
            ));
        }
        let group = SubnetGroup {
            name: name.clone(),
            description: call.text("DBSubnetGroupDescription").unwrap_or_default().to_owned(),
            subnets,
            tags: rules::tags(call.list("Tags"))?,
        };
        let shown = group.show(call);
        self.subnet_groups.insert(name, group);
        Ok(json!({"DBSubnetGroup": shown}))
    }

    /// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBSubnetGroups.html>
    pub(super) fn describe_db_subnet_groups(&mut self, call: &Call<'_>) -> Answer {
        let mut groups = self.subnet_groups.clone();
        groups.insert("default".to_owned(), SubnetGroup::default_of(call));
        if let Some(name) = call.text("DBSubnetGroupName") {
            let name = self.subnet_group_named(Some(name))?;
            groups.retain(|other, _| *other == name);
        }
        page(call, "DBSubnetGroups", groups.into_iter().collect(), |group| group.show(call))
    }

    /// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBSubnetGroup.html>
    pub(super) fn delete_db_subnet_group(&mut self, call: &Call<'_>) -> Answer {
        let name = self.subnet_group_named(call.text("DBSubnetGroupName"))?;
        let used = self.instances.values().find(|instance| instance.subnet_group == name);
        if name == "default" || used.is_some() {
            return Err(AwsError::new(
                "InvalidDBSubnetGroupStateFault",
                format!("Cannot delete the subnet group '{name}' because it is the default one or in use."),
            ));
        }
        self.subnet_groups.remove(&name);
        Ok(Value::Null)
    }

    /// The name of an existing group; without one, the default VPC's.
    pub(super) fn subnet_group_named(&self, name: Option<&str>) -> Result<String, AwsError> {
        let name = name.unwrap_or("default").to_ascii_lowercase();
        if name == "default" || self.subnet_groups.contains_key(&name) {
            return Ok(name);
        }
        Err(AwsError::new("DBSubnetGroupNotFoundFault", format!("DB subnet group '{name}' does not exist.")))
    }

    pub(super) fn show_subnet_group(&self, call: &Call<'_>, name: &str) -> Value {
        match self.subnet_groups.get(name) {
            Some(group) => group.show(call),
            // The default one, or one that only the back door knows.
            None => SubnetGroup { name: name.to_owned(), ..SubnetGroup::default_of(call) }.show(call),
        }
    }
}
