//! The delivery of a cache's logs.

use std::collections::BTreeMap;

use super::{Step, Wanted, fields::LOGS};
use crate::{
    cache::{Delivery, Group, LogType},
    error::{Note, note},
    field::Field,
};

/// While AWS changes a delivery its answer shows the old one, so it is not compared.
fn unclear(delivery: &Delivery) -> bool {
    delivery.status == "modifying"
}

/// Whether a field is a delivery that this look cannot compare.
pub(super) fn unseen(name: &str, group: &Group) -> bool {
    name.strip_prefix(LOGS.name)
        .and_then(|rest| rest.strip_prefix('.'))
        .is_some_and(|log_type| group.logs.get(log_type).is_some_and(unclear))
}

pub(super) fn log_fields(wanted: &Wanted<'_>, group: &Group) -> Vec<Field> {
    let deliveries = wanted.spec.log_delivery.iter();
    let of_spec: BTreeMap<_, _> =
        deliveries.map(|delivery| (delivery.log_type.name().to_owned(), delivery.words())).collect();
    let there = group.logs.iter().filter(|(_, delivery)| delivery.status != "disabling");
    let of_aws: BTreeMap<_, _> = there.map(|(log_type, delivery)| (log_type.clone(), delivery.words.clone())).collect();
    let mut fields = LOGS.entries(&of_spec, &of_aws, wanted.status.applied.as_ref());
    fields.retain(|field| !unseen(&field.name, group));
    fields
}

/// The step for those of the named fields that are deliveries: those of the spec are set up, others of ours end.
pub(super) fn log_step(wanted: &Wanted<'_>, names: &[&str]) -> Option<Step> {
    let is_named = |log_type: LogType| names.contains(&format!("{}.{}", LOGS.name, log_type.name()).as_str());
    let of_spec = |log_type| wanted.spec.log_delivery.iter().find(|delivery| delivery.log_type == log_type);
    let (mut start, mut end) = (Vec::new(), Vec::new());
    for log_type in LogType::ALL.into_iter().filter(|log_type| is_named(*log_type)) {
        match of_spec(log_type) {
            Some(delivery) => start.push(delivery.clone()),
            None => end.push(log_type),
        }
    }
    (!start.is_empty() || !end.is_empty()).then_some(Step::DeliverLogs { start, end })
}

/// What AWS is at work on.
pub(super) fn at_work(group: &Group) -> Option<String> {
    let (log_type, delivery) = group
        .logs
        .iter()
        .find(|(_, delivery)| ["enabling", "modifying", "disabling"].contains(&delivery.status.as_str()))?;
    Some(format!("the delivery of {log_type} is {}", delivery.status))
}

/// Deliveries of the spec that fail. AWS's own message is not shown: it can name what is not ours.
///
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_LogDeliveryConfiguration.html>
pub(super) fn failing(wanted: &Wanted<'_>, group: &Group) -> Option<Note> {
    let failing = |log_type: LogType| {
        let delivery = group.logs.get(log_type.name()).filter(|delivery| delivery.status == "error")?;
        wanted
            .spec
            .log_delivery
            .iter()
            .any(|wish| wish.log_type == log_type)
            .then(|| format!("{} ({})", log_type.name(), delivery.words))
    };
    let failing: Vec<_> = LogType::ALL.into_iter().filter_map(failing).collect();
    (!failing.is_empty()).then(|| {
        let message = format!(
            "AWS cannot deliver {}; the cache itself serves. Look at AWS's reason (aws elasticache describe-replication-groups \
             --replication-group-id {} --query ReplicationGroups[0].LogDeliveryConfigurations), make sure that the log group or \
             delivery stream is there and lets AWS write to it, then take the entry out of spec.logDelivery, and put it back once \
             it is disabled",
            failing.join(" and "),
            wanted.identifier
        );
        note("LogDeliveryFailed", message)
    })
}
