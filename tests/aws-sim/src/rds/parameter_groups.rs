//! Parameter groups, and how a change of theirs reaches the instances.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_WorkingWithParamGroups.html>

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::describe::page;
use super::parameters::{self, Parameter};
use super::rules::{self, Tags, combination, invalid};
use super::{Answer, Region, catalog};
use crate::call::Call;
use crate::clock::after;
use crate::error::AwsError;

/// How many groups a region holds:
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html>
const QUOTA: usize = 50;
/// How many parameters one request may change.
const AT_ONCE: usize = 20;

/// A parameter group of the account's own.
#[derive(Clone, Debug)]
pub(super) struct ParameterGroup {
    name: String,
    family: String,
    description: String,
    /// The values that differ from the family's, by parameter, with the apply
    /// method they were set with.
    values: BTreeMap<String, (String, String)>,
    pub(super) tags: Tags,
}

impl ParameterGroup {
    fn show(&self, call: &Call<'_>) -> Value {
        json!({
            "DBParameterGroupName": self.name,
            "DBParameterGroupFamily": self.family,
            "Description": self.description,
            "DBParameterGroupArn": call.arn("rds", &format!("pg:{}", self.name)),
        })
    }

    fn default_of(family: &str) -> Self {
        Self {
            name: format!("default.{family}"),
            family: family.to_owned(),
            description: format!("Default parameter group for {family}"),
            values: BTreeMap::new(),
            tags: Tags::new(),
        }
    }
}

impl Region {
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBParameterGroup.html>
    pub(super) fn create_db_parameter_group(&mut self, call: &Call<'_>) -> Answer {
        let name = call.text("DBParameterGroupName").unwrap_or_default();
        let name = rules::identifier("DBParameterGroupName", name, 255)?;
        let family = call.text("DBParameterGroupFamily").unwrap_or_default();
        if !catalog::is_family(family) {
            return Err(invalid(format!("ParameterGroupFamily {family} is not a valid parameter group family")));
        }
        if self.parameter_groups.contains_key(&name) {
            return Err(AwsError::new(
                "DBParameterGroupAlreadyExists",
                format!("Parameter group {name} already exists"),
            ));
        }
        if self.parameter_groups.len() >= QUOTA {
            return Err(AwsError::new(
                "DBParameterGroupQuotaExceeded",
                format!("The quota of {QUOTA} parameter groups in {} is reached.", call.region),
            ));
        }
        let group = ParameterGroup {
            name: name.clone(),
            family: family.to_owned(),
            description: call.text("Description").unwrap_or_default().to_owned(),
            values: BTreeMap::new(),
            tags: rules::tags(call.list("Tags"))?,
        };
        let shown = group.show(call);
        self.parameter_groups.insert(name, group);
        Ok(json!({"DBParameterGroup": shown}))
    }

    /// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBParameterGroups.html>
    pub(super) fn describe_db_parameter_groups(&mut self, call: &Call<'_>) -> Answer {
        let mut groups = self.parameter_groups.clone();
        for family in catalog::families() {
            let group = ParameterGroup::default_of(&family);
            groups.insert(group.name.clone(), group);
        }
        if let Some(name) = call.text("DBParameterGroupName") {
            let name = self.parameter_group(name)?.name;
            groups.retain(|other, _| *other == name);
        }
        page(call, "DBParameterGroups", groups.into_iter().collect(), |group| group.show(call))
    }

    /// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBParameterGroup.html>
    pub(super) fn delete_db_parameter_group(&mut self, call: &Call<'_>) -> Answer {
        let group = self.parameter_group(call.text("DBParameterGroupName").unwrap_or_default())?;
        let state = |message| Err(AwsError::new("InvalidDBParameterGroupState", message));
        if group.name.starts_with("default.") {
            return state(format!("Default parameter group {} cannot be deleted", group.name));
        }
        if self.instances.values().any(|instance| instance.parameter_group == group.name) {
            return state(format!(
                "One or more database instances are still members of this parameter group {}, so the \
                 group cannot be deleted",
                group.name
            ));
        }
        self.parameter_groups.remove(&group.name);
        Ok(Value::Null)
    }

    /// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBParameterGroup.html>
    pub(super) fn modify_db_parameter_group(&mut self, call: &Call<'_>) -> Answer {
        let group = self.changeable(call)?;
        let wishes = call.list("Parameters").cloned().unwrap_or_default();
        if wishes.is_empty() || wishes.len() > AT_ONCE {
            return Err(invalid(format!("A request changes 1 to {AT_ONCE} parameters, not {}.", wishes.len())));
        }
        let mut changes = Vec::new();
        for wish in &wishes {
            let (parameter, method) = known_and_modifiable(&group.family, wish)?;
            let value = wish
                .get("ParameterValue")
                .and_then(Value::as_str)
                .ok_or_else(|| invalid(format!("The parameter ParameterValue of {} must be given.", parameter.name)))?;
            parameter.allows(value)?;
            changes.push((parameter, Some(value.to_owned()), method));
        }
        self.change(call, &group.name, changes)
    }

    /// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ResetDBParameterGroup.html>
    pub(super) fn reset_db_parameter_group(&mut self, call: &Call<'_>) -> Answer {
        let group = self.changeable(call)?;
        let wishes = call.list("Parameters").cloned().unwrap_or_default();
        let all = call.flag("ResetAllParameters").unwrap_or(wishes.is_empty());
        if all && !wishes.is_empty() {
            return Err(combination("Parameters must not be given when ResetAllParameters is true."));
        }
        if !all && (wishes.is_empty() || wishes.len() > AT_ONCE) {
            return Err(invalid(format!("A request resets 1 to {AT_ONCE} parameters, not {}.", wishes.len())));
        }
        let mut changes = Vec::new();
        if all {
            for parameter in parameters::of(&group.family) {
                if group.values.contains_key(parameter.name) {
                    let method = if parameter.is_static { "pending-reboot" } else { "immediate" };
                    changes.push((parameter, None, method.to_owned()));
                }
            }
        }
        for wish in &wishes {
            let (parameter, method) = known_and_modifiable(&group.family, wish)?;
            changes.push((parameter, None, method));
        }
        self.change(call, &group.name, changes)
    }

    /// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBParameters.html>
    pub(super) fn describe_db_parameters(&mut self, call: &Call<'_>) -> Answer {
        let group = self.parameter_group(call.text("DBParameterGroupName").unwrap_or_default())?;
        let show = |parameter: &Parameter| parameter.show(group.values.get(parameter.name));
        let source = call.text("Source");
        if let Some(source) = source.filter(|source| !["user", "system", "engine-default"].contains(source)) {
            return Err(invalid(format!("Invalid source: {source}")));
        }
        let shown = parameters::of(&group.family)
            .map(|parameter| (parameter.name.to_owned(), show(parameter)))
            .filter(|(_, shown)| source.is_none_or(|source| shown["Source"] == source))
            .collect();
        page(call, "Parameters", shown, Value::clone)
    }

    /// Changes values and lets the instances of the group know: a dynamic
    /// parameter set `immediate` is `applying` for a while, everything else is
    /// `pending-reboot` until the instance is rebooted. The maintenance window
    /// does not do it.
    fn change(
        &mut self,
        call: &Call<'_>,
        group: &str,
        changes: Vec<(&'static Parameter, Option<String>, String)>,
    ) -> Answer {
        let needs_reboot = changes.iter().any(|(_, _, method)| method == "pending-reboot");
        let own = self.own_parameter_group(group)?;
        for (parameter, value, method) in changes {
            match value {
                Some(value) => own.values.insert(parameter.name.to_owned(), (value, method)),
                None => own.values.remove(parameter.name),
            };
        }
        let until = after(call.now, call.durations.apply_parameters);
        for instance in self.instances.values_mut().filter(|instance| instance.parameter_group == group) {
            instance.parameters.applying_until = Some(until);
            instance.parameters.pending_reboot |= needs_reboot;
        }
        Ok(json!({"DBParameterGroupName": group}))
    }

    /// The group that a request wants to change; a default one never can be.
    fn changeable(&self, call: &Call<'_>) -> Result<ParameterGroup, AwsError> {
        let group = self.parameter_group(call.text("DBParameterGroupName").unwrap_or_default())?;
        if group.name.starts_with("default.") {
            return Err(invalid(format!(
                "The parameter group with DBParameterGroupName {} can't be modified.",
                group.name
            )));
        }
        Ok(group)
    }

    fn parameter_group(&self, name: &str) -> Result<ParameterGroup, AwsError> {
        let name = rules::identifier_of(name);
        if let Some(family) = name.strip_prefix("default.").filter(|family| catalog::is_family(family)) {
            return Ok(ParameterGroup::default_of(family));
        }
        self.parameter_groups.get(&name).cloned().ok_or_else(|| group_not_found(&name))
    }

    pub(super) fn own_parameter_group(&mut self, name: &str) -> Result<&mut ParameterGroup, AwsError> {
        self.parameter_groups.get_mut(name).ok_or_else(|| group_not_found(name))
    }

    /// The name of the group for an instance of this version: the wanted one,
    /// which must be of its family, or the default.
    pub(super) fn parameter_group_for(&self, name: Option<&str>, version: &str) -> Result<String, AwsError> {
        let family = catalog::family(version);
        let Some(name) = name else { return Ok(format!("default.{family}")) };
        let group = self.parameter_group(name)?;
        if group.family != family {
            return Err(combination(format!(
                "The parameter group {} with DBParameterGroupFamily {} can't be used for this instance. \
                 Use a parameter group with DBParameterGroupFamily {family}.",
                group.name, group.family
            )));
        }
        Ok(group.name)
    }
}

fn group_not_found(name: &str) -> AwsError {
    AwsError::new("DBParameterGroupNotFound", format!("DBParameterGroup not found: {name}"))
}

fn known_and_modifiable(family: &str, wish: &Value) -> Result<(&'static Parameter, String), AwsError> {
    let text = |name: &str| wish.get(name).and_then(Value::as_str);
    let name = text("ParameterName").unwrap_or_default();
    let parameter = parameters::of(family)
        .find(|parameter| parameter.name == name)
        .ok_or_else(|| invalid(format!("Could not find parameter with name: {name}")))?;
    if !parameter.modifiable {
        return Err(invalid(format!("The parameter {name} cannot be modified.")));
    }
    let method =
        text("ApplyMethod").ok_or_else(|| invalid(format!("The parameter ApplyMethod of {name} must be given.")))?;
    if parameter.is_static && method == "immediate" {
        return Err(combination("cannot use immediate apply method for static parameter"));
    }
    Ok((parameter, method.to_owned()))
}
