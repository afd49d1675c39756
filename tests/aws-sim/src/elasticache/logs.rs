//! Delivery of logs to `CloudWatch` Logs or Firehose.
//! <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Log_Delivery.html>
//!
//! There is neither behind this: every log group and delivery stream exists, unless a test says otherwise
//! ([`super::ElastiCache::make_unknown`]).

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};

use super::catalog::{self, Engine, Version};
use super::present;
use super::rules::{invalid_combination, invalid_value};
use super::state::{Group, Then};
use crate::error::AwsError;

/// Where logs go, and in which format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `cloudwatch-logs` or `kinesis-firehose`
    pub destination_type: String,
    /// The log group or the delivery stream.
    pub destination: String,
    /// `text` or `json`
    pub format: String,
}

/// The delivery of one type of log.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Where to.
    pub target: Target,
    /// What AWS says of it, if it fails.
    pub error: Option<String>,
}

/// By type of log (`slow-log`, `engine-log`): a new target, or none to end the delivery.
pub type Wishes = BTreeMap<String, Option<Target>>;

/// A wish as it stands in requests.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Request {
    log_type: Option<String>,
    destination_type: Option<String>,
    destination_details: Option<Details>,
    log_format: Option<String>,
    enabled: Option<bool>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Details {
    cloud_watch_logs_details: Option<LogGroup>,
    kinesis_firehose_details: Option<Stream>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct LogGroup {
    log_group: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Stream {
    delivery_stream: Option<String>,
}

/// What a request wishes, held against AWS's rules.
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_LogDeliveryConfigurationRequest.html>
pub fn wishes(given: &[Request], version: &Version, unknown: &BTreeSet<String>) -> Result<Wishes, AwsError> {
    let mut wishes = Wishes::new();
    for request in given {
        let missing = |what: &str| invalid_value(format!("A log delivery configuration must have a {what}."));
        let log_type = request.log_type.clone().ok_or_else(|| missing("LogType"))?;
        let target = if request.enabled == Some(false) {
            None
        } else {
            check_version(&log_type, version)?;
            Some(request.target(unknown, missing)?)
        };
        if wishes.insert(log_type.clone(), target).is_some() {
            return Err(invalid_value(format!("There is more than one log delivery configuration of {log_type}.")));
        }
    }
    Ok(wishes)
}

impl Request {
    fn target(&self, unknown: &BTreeSet<String>, missing: impl Fn(&str) -> AwsError) -> Result<Target, AwsError> {
        let destination_type = self.destination_type.clone().ok_or_else(|| missing("DestinationType"))?;
        let details = self.destination_details.clone().ok_or_else(|| missing("DestinationDetails"))?;
        let format = self.log_format.clone().ok_or_else(|| missing("LogFormat"))?;
        let log_group = details.cloud_watch_logs_details.and_then(|details| details.log_group);
        let stream = details.kinesis_firehose_details.and_then(|details| details.delivery_stream);
        let (name, allowed, longest) = match (destination_type.as_str(), log_group, stream) {
            ("cloudwatch-logs", Some(name), None) => (name, "._-/#", 512),
            ("kinesis-firehose", None, Some(name)) => (name, "._-", 64),
            _ => return Err(invalid_combination(format!("DestinationDetails do not fit {destination_type}."))),
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || allowed.contains(c);
        if name.is_empty() || name.len() > longest || !name.chars().all(fits) {
            return Err(invalid_value(format!("{name} is not the name of a log destination.")));
        }
        if unknown.contains(&name) {
            return Err(invalid_value(format!("The log destination {name} does not exist.")));
        }
        Ok(Target { destination_type, destination: name, format })
    }
}

/// Slow logs come from Redis OSS 6.0 on, engine logs from 6.2, both from Valkey 7.2.
fn check_version(log_type: &str, version: &Version) -> Result<(), AwsError> {
    let oldest = if log_type == "slow-log" { "6.0" } else { "6.2" };
    let oldest = catalog::find_version(Engine::Redis, Some(oldest))?;
    if version.engine == Engine::Valkey || catalog::check_upgrade(oldest, version).is_ok() {
        return Ok(());
    }
    Err(invalid_combination(format!("{log_type} is not supported for engine version {}.", version.answered)))
}

impl Target {
    fn answer(&self, log_type: &str) -> Value {
        let details = match self.destination_type.as_str() {
            "cloudwatch-logs" => json!({"CloudWatchLogsDetails": {"LogGroup": self.destination}}),
            _ => json!({"KinesisFirehoseDetails": {"DeliveryStream": self.destination}}),
        };
        json!({
            "LogType": log_type,
            "DestinationType": self.destination_type,
            "DestinationDetails": details,
            "LogFormat": self.format,
        })
    }
}

/// `LogDeliveryConfigurations`: what is delivered, with what becomes of it.
pub fn configurations(group: &Group) -> Value {
    let creating = matches!(group.until, Some((_, Then::Created)));
    let none = Wishes::new();
    let wishes = group.applying().map_or(&none, |changes| &changes.logs);
    let here = group.logs.iter().map(|(log_type, delivery)| {
        let status = match (wishes.get(log_type), &delivery.error) {
            (Some(Some(_)), _) => "modifying",
            (Some(None), _) => "disabling",
            (None, Some(_)) => "error",
            (None, None) if creating => "enabling",
            (None, None) => "active",
        };
        let mut answer = delivery.target.answer(log_type);
        answer["Status"] = status.into();
        answer["Message"] = delivery.error.clone().into();
        present(answer)
    });
    let new = wishes.iter().filter(|(log_type, _)| !group.logs.contains_key(*log_type));
    let coming = new.filter_map(|(log_type, wish)| {
        let mut answer = wish.as_ref()?.answer(log_type);
        answer["Status"] = "enabling".into();
        Some(answer)
    });
    here.chain(coming).collect()
}

/// Of a change that is being made, its new targets.
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_PendingLogDeliveryConfiguration.html>
pub fn pending(group: &Group) -> Option<Value> {
    let wishes = &group.applying()?.logs;
    let targets = wishes.iter().filter_map(|(log_type, wish)| Some(wish.as_ref()?.answer(log_type)));
    (!wishes.is_empty()).then(|| targets.collect())
}

impl Group {
    /// Puts wishes in force.
    pub fn deliver(&mut self, wishes: Wishes) {
        for (log_type, wish) in wishes {
            match wish {
                Some(target) => self.logs.insert(log_type, Delivery { target, error: None }),
                None => self.logs.remove(&log_type),
            };
        }
    }
}
