//! Who owns an AWS resource, told by its tags and by the identity pinned at first contact. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Tag that names the cluster.
pub const CLUSTER_TAG: &str = "showcore.io/cluster";
/// Tag that names the object: `Kind/namespace/name`.
pub const OWNER_TAG: &str = "showcore.io/owner";
/// Tag that names the object's uid.
pub const UID_TAG: &str = "showcore.io/uid";
/// Annotation that holds the [`Pin`]. Metadata survives a backup and restore; status does not.
pub const PIN_ANNOTATION: &str = "showcore.io/resource";

/// The object that a resource belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The cluster's id: the uid of the namespace `kube-system`, or `--cluster-id`.
    pub cluster: String,
    /// `Kind/namespace/name`.
    pub object: String,
    /// The object's uid: an object made again under the same name is another owner.
    pub uid: String,
}

impl Owner {
    /// The three owner tags, which travel in the create call itself.
    pub fn tags(&self) -> BTreeMap<String, String> {
        [(CLUSTER_TAG, &self.cluster), (OWNER_TAG, &self.object), (UID_TAG, &self.uid)]
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.clone()))
            .collect()
    }
}

/// Whether a tag is one of the three owner tags.
pub fn is_owner_tag(key: &str) -> bool {
    [CLUSTER_TAG, OWNER_TAG, UID_TAG].contains(&key)
}

/// The keys of the owner tags among these.
pub fn owner_keys(tags: &BTreeMap<String, String>) -> BTreeSet<String> {
    tags.keys().filter(|key| is_owner_tag(key)).cloned().collect()
}

/// Where the operator acts: what `sts:GetCallerIdentity` and the region settings say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The account's twelve digits.
    pub account_id: String,
    /// `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: String,
    /// The region.
    pub region: String,
}

/// The identity pinned at first contact, kept in an annotation of the object.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Pin {
    /// The account the object was first reconciled in.
    #[serde(rename = "accountID")]
    pub account_id: String,
    /// The region.
    pub region: String,
    /// The AWS name, as it was resolved then.
    pub identifier: String,
    /// AWS's own immutable id, once the resource was seen: from then on we know that it existed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// What the tags of a resource say about its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Ours, by its tags.
    Ours,
    /// It carries no owner tag, and nothing else says that it is ours.
    Unowned,
    /// Ours by its pinned id, but the owner tags are gone or incomplete: drift, put back.
    Untagged,
    /// Another object of this cluster has it.
    Conflict(String),
    /// Nobody's tags, or those of another cluster.
    NotOurs(String),
    /// AWS does not answer the tags now: neither ours nor not ours.
    Unknown,
}

/// Judges the tags of a resource. `tags` is `None` when AWS does not answer them now; `pinned` says
/// whether AWS's immutable id of the resource is the pinned one.
pub fn claim(owner: &Owner, tags: Option<&BTreeMap<String, String>>, pinned: bool) -> Claim {
    let Some(tags) = tags else {
        return if pinned { Claim::Ours } else { Claim::Unknown };
    };
    let wanted = owner.tags();
    let present: Vec<_> = wanted.iter().filter_map(|(key, value)| tags.get(key).map(|seen| seen == value)).collect();
    let all_match = present.iter().all(|matches| *matches);
    if all_match && present.len() == wanted.len() {
        return Claim::Ours;
    }
    if all_match && pinned {
        return Claim::Untagged;
    }
    match (tags.get(CLUSTER_TAG), tags.get(OWNER_TAG)) {
        (Some(cluster), Some(object)) if *cluster == owner.cluster && *object != owner.object => {
            Claim::Conflict(object.clone())
        }
        (Some(cluster), Some(object)) if *cluster == owner.cluster => {
            Claim::NotOurs(format!("it belongs to an earlier {object}, which was deleted with its resource retained"))
        }
        (Some(cluster), _) if *cluster != owner.cluster => {
            Claim::NotOurs(format!("its tags name the cluster {cluster}"))
        }
        _ if all_match && present.is_empty() => Claim::Unowned,
        _ => Claim::NotOurs("its owner tags are incomplete or name another object".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Situation, tags, whether the id is the pinned one, what is to be claimed.
    type Row<'a> = (&'static str, Option<&'a BTreeMap<String, String>>, bool, fn(&Claim) -> bool);

    fn owner() -> Owner {
        Owner { cluster: "c1".into(), object: "ShowCoreBucket/shop/assets".into(), uid: "u1".into() }
    }

    fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn rule_03_the_tags_decide_who_owns_a_resource() {
        let ours = owner().tags();
        let mut without_uid = ours.clone();
        without_uid.remove(UID_TAG);
        let other = tags(&[(CLUSTER_TAG, "c1"), (OWNER_TAG, "ShowCoreBucket/shop/other"), (UID_TAG, "u2")]);
        let foreign = tags(&[(CLUSTER_TAG, "c2"), (OWNER_TAG, "ShowCoreBucket/shop/assets"), (UID_TAG, "u1")]);
        let earlier = tags(&[(CLUSTER_TAG, "c1"), (OWNER_TAG, "ShowCoreBucket/shop/assets"), (UID_TAG, "u0")]);
        let table: Vec<Row<'_>> = vec![
            ("all three tags", Some(&ours), false, |c| *c == Claim::Ours),
            ("tags unreadable, id not pinned", None, false, |c| *c == Claim::Unknown),
            ("tags unreadable, id pinned", None, true, |c| *c == Claim::Ours),
            ("one tag gone, id pinned", Some(&without_uid), true, |c| *c == Claim::Untagged),
            ("one tag gone, id not pinned", Some(&without_uid), false, |c| matches!(c, Claim::NotOurs(_))),
            ("another object", Some(&other), false, |c| matches!(c, Claim::Conflict(o) if o.ends_with("other"))),
            ("another object's forged tag on the pinned id", Some(&other), true, |c| matches!(c, Claim::Conflict(_))),
            ("another cluster", Some(&foreign), true, |c| matches!(c, Claim::NotOurs(_))),
            ("an earlier object of this name", Some(&earlier), false, |c| matches!(c, Claim::NotOurs(_))),
        ];
        for (situation, tags, pinned, expected) in table {
            let got = claim(&owner(), tags, pinned);
            assert!(expected(&got), "{situation}: {got:?}");
        }
        assert_eq!(claim(&owner(), Some(&BTreeMap::new()), false), Claim::Unowned);
        assert_eq!(claim(&owner(), Some(&BTreeMap::new()), true), Claim::Untagged);
    }
}
