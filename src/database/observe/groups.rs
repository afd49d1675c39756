//! Parameter groups: their names, and what RDS answers about them.

use std::collections::BTreeMap;

use super::{Instance, tag_map};
use crate::{
    aws::found,
    database::{ShowCoreDatabase, decide::PARAMETER_GROUP},
    error::Failure,
    kind::Look,
    ownership::Place,
};

/// A parameter group of the store's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParameterGroup {
    /// Its name.
    pub name: String,
    /// The parameters that were set in it.
    pub parameters: BTreeMap<String, String>,
    /// Its tags; read only when something is to be written to it.
    pub tags: Option<BTreeMap<String, String>>,
}

/// The store's own parameter group is named after it and the family it is for.
pub(in crate::database) fn own_group_name(identifier: &str, major: &str) -> String {
    format!("{identifier}-postgres{major}")
}

/// Whether a group is the store's own, for whatever major version.
pub(in crate::database) fn is_own_group_name(identifier: &str, name: &str) -> bool {
    name.strip_prefix(identifier)
        .and_then(|rest| rest.strip_prefix("-postgres"))
        .is_some_and(|major| major.parse::<u32>().is_ok())
}

/// A group of its own that the record names and the instance no longer uses.
pub(super) async fn former_group(
    object: &ShowCoreDatabase,
    look: &Look<'_>,
    instance: Option<&Instance>,
) -> Result<Option<ParameterGroup>, Failure> {
    let applied = object.status.as_ref().and_then(|status| status.applied.as_ref());
    let Some(name) = applied.and_then(|applied| applied.get(PARAMETER_GROUP.name)) else { return Ok(None) };
    let in_use = instance.is_none_or(|instance| instance.parameter_group == *name);
    let wanted = !object.spec.parameters.is_empty() && *name == own_group_name(&look.identifier, object.spec.major());
    if in_use || wanted || !is_own_group_name(&look.identifier, name) {
        return Ok(None);
    }
    match parameters(look, name).await? {
        None => Ok(None),
        Some(parameters) => {
            let tags = Some(group_tags(look, name).await?);
            Ok(Some(ParameterGroup { name: name.clone(), parameters, tags }))
        }
    }
}

/// The parameters that users set in a group; `None` if there is no such group.
pub(super) async fn parameters(look: &Look<'_>, group: &str) -> Result<Option<BTreeMap<String, String>>, Failure> {
    let mut parameters = BTreeMap::new();
    let mut marker = None;
    loop {
        let request =
            look.aws.rds.describe_db_parameters().db_parameter_group_name(group).source("user").set_marker(marker);
        let answer = look.send("rds:DescribeDBParameters", request.send()).await;
        let Some(page) = found(answer, &["DBParameterGroupNotFound", "DBParameterGroupNotFoundFault"])? else {
            return Ok(None);
        };
        let set = page.parameters.unwrap_or_default().into_iter();
        parameters.extend(set.filter_map(|parameter| Some((parameter.parameter_name?, parameter.parameter_value?))));
        marker = page.marker.filter(|marker| !marker.is_empty());
        if marker.is_none() {
            return Ok(Some(parameters));
        }
    }
}

/// The ARN of a parameter group.
pub(in crate::database) fn group_arn(place: &Place, name: &str) -> String {
    format!("arn:{}:rds:{}:{}:pg:{name}", place.partition, place.region, place.account_id)
}

pub(super) async fn group_tags(look: &Look<'_>, name: &str) -> Result<BTreeMap<String, String>, Failure> {
    let request = look.aws.rds.list_tags_for_resource().resource_name(group_arn(&look.place, name));
    let answer = look.send("rds:ListTagsForResource", request.send()).await?;
    Ok(tag_map(answer.tag_list.unwrap_or_default()))
}
