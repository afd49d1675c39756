//! From a decision to the status and its conditions, and from two statuses to the Events between them. Pure.
//!
//! The conditions follow kstatus (<https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus>), so that
//! `kubectl wait`, Helm and Argo CD understand them: `Reconciling` is in progress, `Stalled` is failed, and both are
//! read before `Ready`.

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};

use crate::{
    decision::{ADOPTING, Decision, Encrypted, Facts, Step, Verdict},
    drift,
    error::{Class, Failure, Note, note},
    status::{DriftAction, Status},
};

/// The status that follows from a decision.
pub fn status<S: Step>(before: &Status, decision: &Decision<S>, generation: i64, now: Timestamp) -> Status {
    let facts = &decision.facts;
    // The empty record of a resource that is just being taken over compares nothing.
    let compared = facts.applied.as_ref().is_some_and(|applied| !applied.is_empty());
    let last_drift = if compared {
        drift::history(&before.drift, &facts.drift, &before.last_drift, now)
    } else {
        before.last_drift.clone()
    };
    let mut wanted = vec![ready(&decision.verdict), encrypted(&decision.encrypted), drifted(facts, compared)];
    if let Some(at_work) = reconciling(decision) {
        wanted.push(("Reconciling", "True", at_work));
    }
    if let Verdict::Stalled(why) = &decision.verdict {
        wanted.push(("Stalled", "True", why.clone()));
    }
    if let Some(pending) = &decision.pending {
        wanted.push(("Pending", "True", pending.clone()));
    }
    Status {
        observed_generation: generation,
        conditions: conditions(&before.conditions, wanted, generation, now),
        // Rows that were not looked at now are still the last thing known of them.
        drift: if compared { facts.drift.clone() } else { before.drift.clone() },
        last_drift,
        plan: decision.plan(),
        encryption: facts.encryption.clone().or_else(|| before.encryption.clone()),
        resource: facts.resource.clone().or_else(|| before.resource.clone()),
        endpoint: facts.endpoint.clone().or_else(|| before.endpoint.clone()),
        binding: facts.binding.clone().or_else(|| before.binding.clone()),
        applied: facts.applied.clone().or_else(|| before.applied.clone()),
        not_found_since: facts.not_found_since,
        adopt_after: facts.adopt_after,
    }
}

/// The status when nothing could be seen: what was known stays, and the conditions say that it is old.
pub fn blind(before: &Status, failure: &Failure, generation: i64, now: Timestamp) -> Status {
    let mut wanted: Vec<_> = before
        .conditions
        .iter()
        .filter(|condition| ["Encrypted", "Drifted", "Pending"].contains(&condition.type_.as_str()))
        .map(|condition| {
            (condition.type_.clone(), condition.status.clone(), condition.reason.clone(), condition.message.clone())
        })
        .collect();
    let mut say = |type_: &str, status: &str, message: &str| {
        wanted.push((type_.to_owned(), status.to_owned(), failure.reason.to_owned(), message.to_owned()));
    };
    say("Ready", "Unknown", &failure.message);
    match failure.class {
        Class::Stalled => say("Stalled", "True", &failure.message),
        Class::Retry | Class::Wait => say("Reconciling", "True", &failure.message),
    }
    let conditions = wanted
        .into_iter()
        .map(|(type_, status, reason, message)| {
            condition(&before.conditions, &type_, &status, &reason, &message, generation, now)
        })
        .collect();
    Status { observed_generation: generation, conditions, ..before.clone() }
}

type Wanted = (&'static str, &'static str, Note);

fn ready(verdict: &Verdict) -> Wanted {
    match verdict {
        Verdict::Ready(why) => ("Ready", "True", why.clone()),
        Verdict::Working(why) | Verdict::Stalled(why) => ("Ready", "False", why.clone()),
    }
}

fn encrypted(encrypted: &Encrypted) -> Wanted {
    match encrypted {
        Encrypted::Unknown => {
            ("Encrypted", "Unknown", note("NotAnswered", "AWS has not answered yet how the store is encrypted"))
        }
        Encrypted::Yes(why) => ("Encrypted", "True", why.clone()),
        Encrypted::No(why) => ("Encrypted", "False", why.clone()),
    }
}

fn drifted(facts: &Facts, compared: bool) -> Wanted {
    if !compared {
        return ("Drifted", "Unknown", note("NotCompared", "nothing was compared with AWS at the last look"));
    }
    if facts.drift.is_empty() {
        return ("Drifted", "False", note("InSync", "AWS has what the spec says, or what was asked of it"));
    }
    let fought = facts.drift.iter().any(|row| row.action == DriftAction::Fought);
    ("Drifted", "True", note(if fought { FOUGHT } else { "DriftFound" }, drift::sentence(&facts.drift)))
}

fn reconciling<S: Step>(decision: &Decision<S>) -> Option<Note> {
    if let Verdict::Working(why) = &decision.verdict {
        return Some(why.clone());
    }
    if let Some(step) = decision.steps.first() {
        return Some(note("Changing", format!("{}: {}", step.call(), step.changes().join(", "))));
    }
    decision.working.clone()
}

fn conditions(before: &[Condition], wanted: Vec<Wanted>, generation: i64, now: Timestamp) -> Vec<Condition> {
    wanted
        .into_iter()
        .map(|(type_, status, why)| condition(before, type_, status, why.reason, &why.message, generation, now))
        .collect()
}

/// Longest message of a condition, as the API server allows it.
const MAX_MESSAGE: usize = 4096;

fn condition(
    before: &[Condition],
    type_: &str,
    status: &str,
    reason: &str,
    message: &str,
    generation: i64,
    now: Timestamp,
) -> Condition {
    let last_transition_time = before
        .iter()
        .find(|old| old.type_ == type_ && old.status == status)
        .map_or(Time(whole_seconds(now)), |old| old.last_transition_time.clone());
    Condition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: message.chars().take(MAX_MESSAGE).collect(),
        observed_generation: Some(generation),
        last_transition_time,
    }
}

/// Kubernetes keeps whole seconds; a fraction would make an equal status look different.
pub fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// An Event to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telling {
    /// Whether it is a warning.
    pub warning: bool,
    /// CamelCase reason.
    pub reason: String,
    /// The sentence.
    pub note: String,
}

/// The Events between two statuses: transitions only.
pub fn events(before: &Status, after: &Status) -> Vec<Telling> {
    let mut events = Vec::new();
    let mut tell = |warning: bool, reason: &str, note: &str| {
        events.push(Telling { warning, reason: reason.to_owned(), note: note.to_owned() });
    };
    let find = |status: &Status, type_: &str| status.conditions.iter().find(|c| c.type_ == type_).cloned();
    let moved = |type_: &str| {
        let new = find(after, type_)?;
        let old = find(before, type_);
        let changed = old.is_none_or(|old| {
            // A plan to take something over is told anew when it changes.
            let says_else = old.reason != new.reason || (new.reason == ADOPTING && old.message != new.message);
            old.status != new.status || (new.status == "True" && type_ != "Ready" && says_else)
        });
        changed.then_some(new)
    };
    let was_ready = find(before, "Ready").is_some_and(|ready| ready.status == "True");
    if let Some(ready) = moved("Ready") {
        match (ready.status.as_str(), was_ready) {
            ("True", _) => tell(false, "Ready", &ready.message),
            (_, true) if find(after, "Stalled").is_none() => tell(true, &ready.reason, &ready.message),
            _ => {}
        }
    }
    if let Some(stalled) = moved("Stalled") {
        tell(true, &stalled.reason, &stalled.message);
    }
    if let Some(pending) = moved("Pending") {
        tell(false, &pending.reason, &pending.message);
    }
    if let Some(encrypted) = moved("Encrypted").filter(|encrypted| encrypted.status == "False") {
        tell(true, "NotEncrypted", &encrypted.message);
    }
    let fresh: Vec<_> =
        after.drift.iter().filter(|row| !before.drift.iter().any(|old| old.field == row.field)).cloned().collect();
    if !fresh.is_empty() {
        tell(true, "DriftFound", &drift::sentence(&fresh));
    }
    if let Some(fought) = moved("Drifted").filter(|drifted| drifted.reason == FOUGHT) {
        tell(true, FOUGHT, &fought.message);
    }
    let gone: Vec<_> = after
        .last_drift
        .iter()
        .filter(|past| !before.last_drift.contains(past))
        .map(|past| {
            let found = past.found.strftime("%H:%M");
            format!("{}: {} again; {} had been found at {found}", past.field, past.desired, past.observed)
        })
        .collect();
    if !gone.is_empty() {
        tell(false, "DriftCorrected", &gone.join(". "));
    }
    let credentials = |status: &Status| status.applied.as_ref().and_then(|applied| applied.get(CREDENTIALS).cloned());
    // A cache's token is first beside the old one ("rotating:…"); it is told once it stands alone.
    if let (Some(old), Some(new)) = (credentials(before), credentials(after))
        && old != new
        && !new.contains(':')
    {
        tell(
            true,
            "CredentialsReplaced",
            "the connection Secret was lost: a new password was made and sent to AWS; restart what still uses the old one",
        );
    }
    events
}

/// The reason of drift that somebody else makes again and again.
const FOUGHT: &str = "Fought";

/// The entry of `status.applied` that names the version of the Secret whose password AWS has.
pub const CREDENTIALS: &str = "credentials";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{DriftRow, Impact};

    #[derive(Clone, Debug, PartialEq)]
    struct Call;
    impl Step for Call {
        fn call(&self) -> &'static str {
            "s3:PutBucketTagging"
        }
        fn changes(&self) -> Vec<String> {
            vec!["tags".into()]
        }
        fn impact(&self) -> Impact {
            Impact::None
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("in range")
    }

    fn serving(drift: Vec<DriftRow>) -> Decision<Call> {
        let facts =
            Facts { drift, applied: Some([("tags.a".to_owned(), "'1'".to_owned())].into()), ..Facts::default() };
        Decision::rest(Verdict::Ready(note("Available", "serves")), Encrypted::Yes(note("SSES3", "AES256")), facts)
    }

    fn row() -> DriftRow {
        DriftRow {
            field: "tags.a".into(),
            desired: "'1'".into(),
            observed: "absent".into(),
            since: at(50),
            action: DriftAction::Pending,
            message: None,
        }
    }

    fn reasons(before: &Status, after: &Status) -> Vec<String> {
        events(before, after).into_iter().map(|event| event.reason).collect()
    }

    #[test]
    fn rule_08_an_equal_decision_gives_an_equal_status_and_no_event() {
        let first = status(&Status::default(), &serving(vec![]), 1, at(10));
        let second = status(&first, &serving(vec![]), 1, at(700));
        assert_eq!(first, second);
        assert_eq!(reasons(&first, &second), Vec::<String>::new());
        assert_eq!(reasons(&Status::default(), &first), ["Ready"]);
    }

    #[test]
    fn drift_is_told_once_when_found_and_once_when_gone() {
        let calm = status(&Status::default(), &serving(vec![]), 1, at(10));
        let found = status(&calm, &serving(vec![row()]).with_steps(vec![Call]), 1, at(50));
        assert_eq!(reasons(&calm, &found), ["DriftFound"]);
        let gone = status(&found, &serving(vec![]), 1, at(60));
        assert_eq!(reasons(&found, &gone), ["DriftCorrected"]);
        assert_eq!(gone.last_drift[0].corrected, at(60));
        assert_eq!(
            gone.conditions.iter().map(|c| c.type_.as_str()).collect::<Vec<_>>(),
            ["Ready", "Encrypted", "Drifted"]
        );
    }

    #[test]
    fn a_refused_change_of_a_serving_store_is_pending_and_ready_stays() {
        let failure = Failure::aws("rds:ModifyDBInstance", Some("InvalidParameterCombination"), Some(400));
        let refused =
            status(&Status::default(), &serving(vec![row()]).with_steps(vec![Call]).failed(&failure), 2, at(60));
        let find = |type_: &str| refused.conditions.iter().find(|c| c.type_ == type_);
        assert_eq!(find("Ready").map(|c| c.status.as_str()), Some("True"));
        assert_eq!(find("Pending").map(|c| c.reason.as_str()), Some("Refused"));
        assert!(find("Stalled").is_none());
        assert_eq!(refused.drift[0].action, DriftAction::Blocked);
    }

    #[test]
    fn a_blind_look_keeps_what_was_known_and_says_that_it_is_old() {
        let calm = status(&Status::default(), &serving(vec![]), 1, at(10));
        let failure = Failure::aws("s3:GetBucketTagging", Some("ExpiredToken"), Some(400));
        let blind = blind(&calm, &failure, 1, at(20));
        let find = |type_: &str| blind.conditions.iter().find(|c| c.type_ == type_).map(|c| c.status.as_str());
        assert_eq!((find("Ready"), find("Stalled"), find("Encrypted")), (Some("Unknown"), Some("True"), Some("True")));
        assert_eq!(blind.applied, calm.applied);
    }
}
