//! Tags, by the ARN of what carries them.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Tagging.html>

use serde_json::{Value, json};

use super::rules::{self, Tags, invalid, tag_list};
use super::{Answer, Region, not_found};
use crate::call::Call;
use crate::error::AwsError;

impl Region {
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_AddTagsToResource.html>
    pub(super) fn add_tags_to_resource(&mut self, call: &Call<'_>) -> Answer {
        let added = rules::tags(call.list("Tags"))?;
        let tags = self.tagged(call)?;
        let mut changed = tags.clone();
        changed.extend(added);
        rules::tag_count(&changed)?;
        *tags = changed;
        Ok(Value::Null)
    }

    /// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_RemoveTagsFromResource.html>
    pub(super) fn remove_tags_from_resource(&mut self, call: &Call<'_>) -> Answer {
        let tags = self.tagged(call)?;
        for key in call.list("TagKeys").into_iter().flatten().filter_map(Value::as_str) {
            tags.remove(key);
        }
        Ok(Value::Null)
    }

    /// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ListTagsForResource.html>
    pub(super) fn list_tags_for_resource(&mut self, call: &Call<'_>) -> Answer {
        rules::only(call, &["ResourceName"])?;
        Ok(json!({"TagList": tag_list(self.tagged(call)?)}))
    }

    fn tagged(&mut self, call: &Call<'_>) -> Result<&mut Tags, AwsError> {
        let arn = call.text("ResourceName").unwrap_or_default();
        let own = call.arn("rds", "");
        let resource = arn.strip_prefix(&own).and_then(|resource| resource.split_once(':'));
        let Some((kind, name)) = resource else {
            return Err(invalid(format!(
                "The specified resource name does not match an RDS resource in this region: {arn}"
            )));
        };
        let name = name.to_ascii_lowercase();
        match kind {
            "db" => match self.instances.get_mut(&name) {
                Some(instance) => Ok(&mut instance.tags),
                None => Err(not_found(&name)),
            },
            "snapshot" => Ok(&mut self.snapshot(&name)?.tags),
            "pg" => Ok(&mut self.own_parameter_group(&name)?.tags),
            "subgrp" => match self.subnet_groups.get_mut(&name) {
                Some(group) => Ok(&mut group.tags),
                None => Err(AwsError::new(
                    "DBSubnetGroupNotFoundFault",
                    format!("DB subnet group '{name}' does not exist."),
                )),
            },
            other => Err(AwsError::not_implemented(format!("tags of a {other} of rds"))),
        }
    }
}
