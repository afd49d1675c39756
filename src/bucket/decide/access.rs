//! The bucket's policy: what the operator always says, what the purpose says, what the spec adds, and who is foreign.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    Wanted,
    fields::{CLOUD_TRAIL, FOREIGN_ALLOW, STATEMENTS, TLS_ONLY, described},
    state::arn,
};
use crate::{
    bucket::{BUCKET_ARN, Bucket, Effect, Purpose, Statement},
    decision::Comparison,
    field::{ABSENT, Field, Row},
    policy,
};

/// The fields of the policy.
pub(super) fn policy_fields(wanted: &Wanted<'_>, bucket: &Bucket) -> Vec<Field> {
    let own = own_statements(wanted);
    let (tls, delivery) = own.split_at(1);
    let applied = wanted.status.applied.as_ref();
    let presence = |row: &Row, desired: &str, needed: &[Value]| {
        let present = needed.iter().all(|statement| policy::holds(bucket.policy.as_ref(), statement));
        row.field(desired, if present { desired } else { ABSENT })
    };
    let mut fields = vec![presence(&TLS_ONLY, "Deny without TLS", tls)];
    let words = (!delivery.is_empty()).then(|| delivery_in_words(wanted));
    if let Some(words) = &words {
        fields.push(presence(&CLOUD_TRAIL, words, delivery));
    }
    let mut foreign = policy::foreign_allows(bucket.policy.as_ref(), &statements(wanted), wanted.place);
    // Statements for what the spec said before are a wanted change, and no drift.
    let before = applied.and_then(|applied| applied.get(CLOUD_TRAIL.name));
    if before
        .is_some_and(|before| Some(before) != fields.iter().find(|f| f.name == CLOUD_TRAIL.name).map(|f| &f.desired))
    {
        let outdated = foreign.len();
        foreign.retain(|statement| !policy::is_our_delivery(statement));
        if words.is_none() && foreign.len() < outdated {
            fields.push(CLOUD_TRAIL.field(ABSENT, "CloudTrail may deliver"));
        }
    }
    foreign.retain(|statement| !was_applied(statement, applied));
    fields.extend(added_fields(wanted, bucket));
    let observed = match foreign.as_slice() {
        [] => "none".to_owned(),
        foreign => foreign.iter().map(policy::in_words).collect::<Vec<_>>().join("; "),
    };
    fields.push(FOREIGN_ALLOW.judged("none", observed, foreign.is_empty()));
    fields
}

/// The statements that the spec adds. One is known by its sid; whether it is as it should be, by its meaning.
fn added_fields(wanted: &Wanted<'_>, bucket: &Bucket) -> Vec<Field> {
    let policy = bucket.policy.as_ref();
    let words = |statement: &Value| policy::sid(statement).map(|sid| (sid.to_owned(), policy::in_full(statement)));
    let seen: BTreeMap<_, _> = policy::statements(policy).iter().filter_map(words).collect();
    let desired: BTreeMap<_, _> = added(wanted).iter().filter_map(words).collect();
    let same = |sid: &str| {
        let wanted = added(wanted).into_iter().find(|statement| policy::sid(statement) == Some(sid));
        wanted.is_some_and(|statement| policy::holds(policy, &statement))
    };
    let mut fields = described(&STATEMENTS, &desired, &seen, same, wanted.status.applied.as_ref());
    for statement in in_spec(wanted) {
        if let (Some(why), Some(sid)) = (refused(&statement), policy::sid(&statement)) {
            let observed = seen.get(sid).map_or(ABSENT, String::as_str);
            fields.retain(|field| field.name != format!("{}.{sid}", STATEMENTS.name));
            fields.push(STATEMENTS.entry(sid, policy::in_full(&statement), observed, false).blocked(why));
        }
    }
    fields
}

/// Whether a statement is as it was last applied from the spec: then it is a wanted change that it goes.
fn was_applied(statement: &Value, applied: Option<&BTreeMap<String, String>>) -> bool {
    let Some(sid) = policy::sid(statement) else { return false };
    let field = STATEMENTS.entry(sid, ABSENT, policy::in_full(statement), false);
    applied.and_then(|applied| applied.get(&field.name)) == Some(&field.observed)
}

/// All statements that the policy should hold.
fn statements(wanted: &Wanted<'_>) -> Vec<Value> {
    own_statements(wanted).into_iter().chain(added(wanted)).collect()
}

/// The fields of the spec's statements that are to be written: those to correct, and those whose sid names a foreign
/// Allow now, which goes in any case: then the spec's statement comes back in its place.
pub(super) fn to_add<'a>(
    wanted: &Wanted<'_>,
    bucket: &Bucket,
    compared: &'a Comparison,
    names: &[&'a str],
) -> Vec<&'a str> {
    let foreign = policy::foreign_allows(bucket.policy.as_ref(), &statements(wanted), wanted.place);
    let taken = |sid: &str| foreign.iter().any(|statement| policy::sid(statement) == Some(sid));
    let differing = compared.differences.iter().map(|difference| &difference.field);
    differing
        .filter(|field| field.blocked.is_none())
        .map(|field| field.name.as_str())
        .filter(|name| sid_of(name).is_some_and(|sid| names.contains(name) || taken(sid)))
        .collect()
}

/// The sid that a field of the spec's statements is about.
fn sid_of(field: &str) -> Option<&str> {
    field.strip_prefix(STATEMENTS.name)?.strip_prefix('.')
}

/// The policy to write for these of the fields. What differs and is not among them stays as it is.
pub(super) fn document(wanted: &Wanted<'_>, bucket: &Bucket, compared: &Comparison, names: &[&str]) -> Value {
    let field = |sid: &str| format!("{}.{sid}", STATEMENTS.name);
    let waits = |statement: &Value| {
        let name = policy::sid(statement).map(field).unwrap_or_default();
        compared.differences.iter().any(|difference| difference.field.name == name) && !names.contains(&name.as_str())
    };
    let all = statements(wanted);
    let (waiting, put): (Vec<_>, Vec<_>) = all.iter().cloned().partition(waits);
    let gone: Vec<_> = names
        .iter()
        .filter_map(|name| sid_of(name))
        .filter(|sid| !put.iter().chain(&waiting).any(|statement| policy::sid(statement) == Some(sid)))
        .collect();
    policy::merged(bucket.policy.as_ref(), &put, &gone, &all, wanted.place)
}

/// The operator's own statements: TLS only, then CloudTrail's.
pub(super) fn own_statements(wanted: &Wanted<'_>) -> Vec<Value> {
    let arn = arn(wanted);
    let mut statements = vec![policy::tls_only(&arn)];
    if wanted.spec.purpose == Purpose::CloudTrailLogs {
        let cloud_trail = wanted.spec.cloud_trail.as_ref();
        let mut owners = vec![wanted.place.account_id.as_str()];
        owners.extend(cloud_trail.and_then(|settings| settings.organization_id.as_deref()));
        let prefix = cloud_trail.and_then(|settings| settings.prefix.as_deref());
        statements.extend(policy::cloudtrail_delivery(&arn, &trails(wanted), prefix, &owners));
    }
    statements
}

/// The statements that the spec adds and that may be written.
fn added(wanted: &Wanted<'_>) -> Vec<Value> {
    in_spec(wanted).into_iter().filter(|statement| refused(statement).is_none()).collect()
}

/// The statements of the spec, as S3 takes them.
fn in_spec(wanted: &Wanted<'_>) -> Vec<Value> {
    let arn = arn(wanted);
    let statements = wanted.spec.policy.iter().flat_map(|policy| &policy.statements);
    statements.map(|statement| as_json(statement, &arn)).collect()
}

/// What validation refuses too; it does not see everything (rule 11).
fn refused(statement: &Value) -> Option<&'static str> {
    if policy::sid(statement).is_some_and(|sid| sid.starts_with(policy::SID_PREFIX)) {
        return Some("sids that begin with ShowCore name the operator's own statements: choose another sid");
    }
    policy::is_public(statement).then_some(
        "it allows everybody, and all public access is blocked: name accounts, roles or services, or add a condition that says who",
    )
}

fn as_json(statement: &Statement, bucket_arn: &str) -> Value {
    let resources: Vec<_> =
        statement.resources.iter().map(|resource| resource.replacen(BUCKET_ARN, bucket_arn, 1)).collect();
    let mut principal = json!({});
    for (type_, who) in [("AWS", &statement.principal.aws), ("Service", &statement.principal.service)] {
        if !who.is_empty() {
            principal[type_] = json!(who);
        }
    }
    let effect = match statement.effect {
        Effect::Allow => "Allow",
        Effect::Deny => "Deny",
    };
    let mut json = json!({
        "Sid": statement.sid, "Effect": effect, "Principal": principal, "Action": statement.actions, "Resource": resources
    });
    if !statement.condition.is_empty() {
        json["Condition"] = json!(statement.condition);
    }
    json
}

fn delivery_in_words(wanted: &Wanted<'_>) -> String {
    let settings = wanted.spec.cloud_trail.as_ref();
    let under = settings.and_then(|settings| settings.prefix.as_deref()).map(|prefix| format!(" under {prefix}"));
    let organization = settings.and_then(|settings| settings.organization_id.as_deref()).map(|id| format!(" for {id}"));
    format!(
        "CloudTrail may deliver{}{} from {}",
        under.unwrap_or_default(),
        organization.unwrap_or_default(),
        trails(wanted).join(", ")
    )
}

fn trails(wanted: &Wanted<'_>) -> Vec<String> {
    match &wanted.spec.cloud_trail {
        Some(settings) if !settings.trail_arns.is_empty() => settings.trail_arns.clone(),
        _ => vec![format!("arn:{}:cloudtrail:*:{}:trail/*", wanted.place.partition, wanted.place.account_id)],
    }
}
