//! The shared rules, which speak before a kind decides anything of its own: whose the resource is (rule 3), and what
//! "not found" means (rule 2). Pure.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;

use super::{Decision, Encrypted, Facts, Presence, Step, Verdict, Wanted};
use crate::{
    error::{Note, note},
    ownership::{Claim, claim},
    spec::{Adoption, DeletionPolicy},
};

/// What the shared rules say before a kind decides anything of its own.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing<S> {
    /// The resource is to be made.
    Create,
    /// The resource is ours and wanted.
    Manage,
    /// The resource carries nobody's owner tags, and the spec says to take such a one over.
    Adopt,
    /// The resource is ours and the object is being deleted under this policy.
    Remove(DeletionPolicy),
    /// AWS has believably lost it, or never had it, and the object is being deleted.
    Gone,
    /// A shared rule decides.
    Decided(Box<Decision<S>>),
}

/// A resource as the shared rules see it.
#[derive(Clone, Debug)]
pub struct Sighting<'a> {
    /// AWS's immutable id of it.
    pub id: &'a str,
    /// Its owner tags, if AWS answers them now.
    pub tags: Option<&'a BTreeMap<String, String>>,
    /// Whether `id` tells this resource from another of the same name. A bucket's does not.
    pub id_is_unique: bool,
    /// How a person gives it back to us, where tags are all that tells.
    pub retag_hint: Option<String>,
}

impl<S> Wanted<'_, S> {
    /// Applies rules 2 and 3 and the pinned identity, which are the same for every kind.
    pub fn standing<T: Step>(&self, seen: Option<&Sighting<'_>>, now: Timestamp) -> Standing<T> {
        let deleting = matches!(self.presence, Presence::Absent(_));
        if let Some(stalled) = self.wrong_place() {
            return Standing::decided(Verdict::Stalled(stalled), Facts::default());
        }
        let Some(seen) = seen else { return self.not_found(deleting, now) };
        let pinned_id = self.pin.and_then(|pin| pin.id.as_deref());
        let pinned = seen.id_is_unique && pinned_id == Some(seen.id);
        let claim = claim(self.owner, seen.tags, pinned);
        if let (Claim::Ours | Claim::Unowned, Some(other)) = (&claim, pinned_id.filter(|id| *id != seen.id)) {
            if deleting {
                return Standing::decided_release(
                    "the resource of that name is not the one we made; it is left untouched",
                );
            }
            let message = format!(
                "{} was replaced: AWS now answers another resource ({}) under this name than the one we made ({other}); \
                 nothing is written to it. Delete this object and apply it again under another identifier",
                self.identifier, seen.id
            );
            return Standing::decided(Verdict::Stalled(note("Replaced", message)), Facts::default());
        }
        match (claim, self.presence) {
            (Claim::Ours | Claim::Untagged, Presence::Present) => Standing::Manage,
            (Claim::Ours | Claim::Untagged, Presence::Absent(policy))
                if self.unconfirmed && policy != DeletionPolicy::Retain =>
            {
                Standing::decided(Verdict::Stalled(self.to_be_confirmed()), Facts::default())
            }
            (Claim::Ours | Claim::Untagged, Presence::Absent(policy)) => Standing::Remove(policy),
            (Claim::Unknown, _) => Standing::decided(
                Verdict::Working(note(
                    "TagsUnreadable",
                    format!(
                        "AWS does not answer the tags of {} now; nothing is written to it until it does",
                        self.identifier
                    ),
                )),
                Facts::default(),
            ),
            (Claim::Conflict(_) | Claim::NotOurs(_) | Claim::Unowned, Presence::Absent(_)) => {
                Standing::decided_release("the resource is not ours; it is left untouched")
            }
            (Claim::Conflict(other), Presence::Present) => Standing::decided(
                Verdict::Stalled(note(
                    "Conflict",
                    format!(
                        "{} belongs to {other}; nothing is written to it. Choose another identifier: delete this object and apply it with one",
                        self.identifier
                    ),
                )),
                Facts::default(),
            ),
            (Claim::Unowned, Presence::Present) if self.adoption == Adoption::Unowned => Standing::Adopt,
            (Claim::Unowned, Presence::Present) => {
                self.not_ours("it carries no owner tag; adoption: Unowned would take it over", seen)
            }
            (Claim::NotOurs(why), Presence::Present) => self.not_ours(&why, seen),
        }
    }

    fn to_be_confirmed(&self) -> Note {
        let (kind, rest) = self.owner.object.split_once('/').unwrap_or_default();
        let (namespace, name) = rest.split_once('/').unwrap_or_default();
        let message = format!(
            "{} is not deleted yet: the operator may not read the CRD, so it cannot tell whether this object alone is being deleted \
             or all of its kind are, with their CRD. To delete it under its deletionPolicy: kubectl -n {namespace} annotate {} {name} \
             showcore.io/confirm-delete=true. To keep it in AWS, set deletionPolicy to Retain",
            self.identifier,
            kind.to_lowercase(),
        );
        note("DeletionUnconfirmed", message)
    }

    fn not_ours<T: Step>(&self, why: &str, seen: &Sighting<'_>) -> Standing<T> {
        let hint =
            seen.retag_hint.as_deref().unwrap_or("choose another identifier: delete this object and apply it with one");
        let message =
            format!("{} is already there and is not ours ({why}); nothing is written to it: {hint}", self.identifier);
        Standing::decided(Verdict::Stalled(note("NotOurs", message)), Facts::default())
    }

    /// Rule 2: "not found" counts only after a grace period and a second look, and what existed is never made again.
    fn not_found<T: Step>(&self, deleting: bool, now: Timestamp) -> Standing<T> {
        let existed = self.existed();
        if !deleting && !existed {
            return Standing::Create;
        }
        if deleting && !existed && self.pin.is_none() {
            return Standing::Gone;
        }
        let since = self.status.not_found_since.unwrap_or(now);
        let facts = Facts { not_found_since: Some(since), ..Facts::default() };
        let believed = self.status.not_found_since.is_some() && now.duration_since(since) >= self.not_found_grace;
        match (believed, deleting) {
            (true, true) => Standing::Gone,
            (true, false) => {
                let message = format!(
                    "{} existed and AWS no longer finds it. It is not made again, empty, by itself: \
                     set deletionPolicy to Retain, then delete this object and apply it again to start empty",
                    self.identifier
                );
                Standing::decided(Verdict::Stalled(note("Missing", message)), facts)
            }
            (false, _) => {
                let message = format!("AWS does not find {}; looking again before it is believed", self.identifier);
                let reason = if deleting { "Deleting" } else { "NotFound" };
                Standing::decided(Verdict::Working(note(reason, message)), facts)
            }
        }
    }

    /// The pin names where the store is. Another account, region or name now is a mistake, never a move.
    pub(crate) fn wrong_place(&self) -> Option<Note> {
        let pin = self.pin?;
        let differs =
            [("account", &pin.account_id, &self.place.account_id), ("region", &pin.region, &self.place.region)];
        if let Some((what, pinned, now)) = differs.into_iter().find(|(_, pinned, now)| pinned != now) {
            return Some(note(
                "WrongPlace",
                format!(
                    "this object's store is in the {what} {pinned}, but the operator now acts in {now}; nothing is written. \
                     Give the operator the credentials and region it had"
                ),
            ));
        }
        (pin.identifier != self.identifier).then(|| {
            note(
                "IdentifierChanged",
                format!(
                    "this object's store is {}, but its spec now names {}; nothing is written. Set the identifier back",
                    pin.identifier, self.identifier
                ),
            )
        })
    }
}

impl<T: Step> Standing<T> {
    fn decided(verdict: Verdict, facts: Facts) -> Self {
        Self::Decided(Box::new(Decision::rest(verdict, Encrypted::Unknown, facts)))
    }

    fn decided_release(message: &str) -> Self {
        Self::Decided(Box::new(Decision::release(message)))
    }
}
