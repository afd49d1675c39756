//! `DescribeDBInstances`, and what all listings have in common.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::instance::Instance;
use super::rules::{self, invalid};
use super::{Answer, Region, not_found};
use crate::call::Call;
use crate::error::AwsError;

impl Region {
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBInstances.html>
    pub(super) fn describe_db_instances(&mut self, call: &Call<'_>) -> Answer {
        let filters = filters(call, &["db-instance-id", "dbi-resource-id", "engine"])?;
        let fits = |instance: &Instance| {
            filters.iter().all(|(name, values)| {
                let own = match name.as_str() {
                    "db-instance-id" => &instance.identifier,
                    "dbi-resource-id" => &instance.resource_id,
                    _ => "postgres",
                };
                values.iter().any(|value| value == own || rules::identifier_of(value) == own)
            })
        };
        let instances: Vec<(String, &Instance)> = match call.text("DBInstanceIdentifier") {
            Some(name) => {
                let name = rules::identifier_of(name);
                let instance = self.instances.get(&name).ok_or_else(|| not_found(&name))?;
                vec![(name, instance)]
            }
            None => self.instances.iter().map(|(name, instance)| (name.clone(), instance)).collect(),
        };
        let found = instances.into_iter().filter(|(_, instance)| fits(instance)).collect();
        page(call, "DBInstances", found, |instance| {
            instance.show(call, &self.show_subnet_group(call, &instance.subnet_group))
        })
    }
}

/// One page of a listing: `MaxRecords` from 20 to 100, and a `Marker` if there
/// is more. The items come with their keys, sorted by them.
pub(super) fn page<T>(call: &Call<'_>, member: &str, items: Vec<(String, T)>, show: impl Fn(&T) -> Value) -> Answer {
    let size = call.integer("MaxRecords").unwrap_or(100);
    if !(20..=100).contains(&size) {
        return Err(invalid(format!("Invalid value {size} for MaxRecords. Must be between 20 and 100")));
    }
    let size = usize::try_from(size).unwrap_or(100);
    let last = call.text("Marker").filter(|marker| !marker.is_empty()).map(unmark).transpose()?;
    let mut rest = items.into_iter().filter(|(key, _)| last.as_ref().is_none_or(|last| key > last));
    let shown: Vec<(String, T)> = rest.by_ref().take(size).collect();
    let mut answer = json!({member: shown.iter().map(|(_, item)| show(item)).collect::<Value>()});
    if let (Some(_), Some((key, _))) = (rest.next(), shown.last()) {
        answer["Marker"] = URL_SAFE_NO_PAD.encode(key).into();
    }
    Ok(answer)
}

fn unmark(marker: &str) -> Result<String, AwsError> {
    URL_SAFE_NO_PAD
        .decode(marker)
        .ok()
        .and_then(|key| String::from_utf8(key).ok())
        .ok_or_else(|| invalid("The parameter Marker is not one that this operation has answered."))
}

/// The filters of a listing, which must be among the known ones.
pub(super) fn filters(call: &Call<'_>, known: &[&str]) -> Result<Vec<(String, Vec<String>)>, AwsError> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut filters = Vec::new();
    for filter in call.list("Filters").into_iter().flatten() {
        let name = filter.get("Name").map(text).unwrap_or_default();
        if !known.contains(&name.as_str()) {
            return Err(invalid(format!("Unrecognized filter name: {name}")));
        }
        let values = filter.get("Values").and_then(Value::as_array);
        filters.push((name, values.into_iter().flatten().map(text).collect()));
    }
    Ok(filters)
}
