//! The steps of a database, as data.

use std::collections::{BTreeMap, BTreeSet};

use super::{Wanted, parameters::wanted_group};
use crate::{
    conditions::CREDENTIALS, connection::Connection, database::Instance, decision, drift::tag_changes, status::Impact,
};

/// One mutation of a database, or of its Secret.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Makes the connection Secret, with a new password.
    MakeCredentials {
        /// What it says apart from the password.
        connection: Connection,
    },
    /// Brings the connection Secret up to date; its password stays.
    WriteConnection {
        /// Its uid.
        secret_uid: String,
        /// What it says apart from the password.
        connection: Connection,
    },
    /// Creates the store's own parameter group.
    CreateParameterGroup {
        /// Its name.
        name: String,
        /// Its family: `postgres16`.
        family: String,
        /// All tags.
        tags: BTreeMap<String, String>,
    },
    /// Sets and resets parameters of the store's own group.
    ModifyParameterGroup {
        /// The group.
        name: String,
        /// Parameters to set.
        set: BTreeMap<String, String>,
        /// Parameters to put back to their defaults.
        reset: BTreeSet<String>,
    },
    /// Deletes the store's own parameter group.
    DeleteParameterGroup {
        /// The group.
        name: String,
    },
    /// Creates the instance, encrypted, with its owner tags in the call itself.
    Create(Box<CreateInstance>),
    /// Modifies the instance at once.
    Modify(Box<Changes>),
    /// Sends the password of this Secret.
    SendPassword {
        /// The Secret's uid.
        secret_uid: String,
    },
    /// Adds tags, or changes their values.
    AddTags {
        /// The resource.
        arn: String,
        /// The tags.
        tags: BTreeMap<String, String>,
    },
    /// Removes tags.
    RemoveTags {
        /// The resource.
        arn: String,
        /// Their keys.
        keys: BTreeSet<String>,
    },
    /// Reboots, so that static parameters take effect.
    Reboot,
    /// Deletes the instance. Automated backups are kept.
    Delete {
        /// The final snapshot's name; none is made if absent.
        final_snapshot: Option<String>,
    },
}

/// What an instance is created with. Encryption and a private address are not among it: they are always on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateInstance {
    /// Version.
    pub engine_version: String,
    /// Class.
    pub class: String,
    /// Storage, in GiB.
    pub storage_gib: i32,
    /// Master user.
    pub username: String,
    /// The Secret whose password is sent.
    pub secret_uid: String,
    /// Database made at creation.
    pub database_name: Option<String>,
    /// Subnet group.
    pub subnet_group: Option<String>,
    /// Security groups.
    pub security_groups: Option<Vec<String>>,
    /// Parameter group of its own.
    pub parameter_group: Option<String>,
    /// Backup retention, in days.
    pub backup_retention: i32,
    /// Backup window.
    pub backup_window: Option<String>,
    /// Maintenance window.
    pub maintenance_window: Option<String>,
    /// Deletion protection.
    pub deletion_protection: bool,
    /// All tags.
    pub tags: BTreeMap<String, String>,
}

/// What a modification changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Class. Disruptive.
    pub class: Option<String>,
    /// Version. Disruptive.
    pub engine_version: Option<String>,
    /// Storage, in GiB.
    pub storage_gib: Option<i32>,
    /// Backup retention, in days.
    pub backup_retention: Option<i32>,
    /// Backup window.
    pub backup_window: Option<String>,
    /// Maintenance window.
    pub maintenance_window: Option<String>,
    /// Security groups.
    pub security_groups: Option<Vec<String>>,
    /// Deletion protection.
    pub deletion_protection: Option<bool>,
    /// Takes the public address away.
    pub private: bool,
    /// Parameter group; takes effect at the next reboot.
    pub parameter_group: Option<String>,
}

impl Changes {
    /// The changes that the named fields need.
    pub(super) fn of(names: &[&str], wanted: &Wanted<'_>, instance: &Instance) -> Self {
        let spec = wanted.spec;
        let has = |name: &str| names.contains(&name);
        let group = wanted_group(wanted);
        // A group of ours that lets connections in without TLS is mended in place, by its parameters.
        let regroup = has("parameterGroup") && instance.parameter_group != group;
        Self {
            class: has("instanceClass").then(|| spec.instance_class.clone()),
            engine_version: has("engineVersion").then(|| spec.engine_version.clone()),
            storage_gib: has("storage.sizeGiB").then_some(spec.storage.size_gib),
            backup_retention: has("backup.retentionDays").then_some(spec.backup.retention_days),
            backup_window: spec.backup.window.clone().filter(|_| has("backup.window")),
            maintenance_window: spec.maintenance.window.clone().filter(|_| has("maintenance.window")),
            security_groups: spec.network.security_group_ids.clone().filter(|_| has("network.securityGroupIDs")),
            deletion_protection: has("deletionProtection").then_some(spec.deletion_protection),
            private: has("publiclyAccessible"),
            parameter_group: regroup.then_some(group),
        }
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the store's users notice.
    pub fn is_disruptive(&self) -> bool {
        self.class.is_some() || self.engine_version.is_some()
    }

    /// The disruptive changes and the calm ones.
    pub(super) fn split(self) -> (Self, Self) {
        let disruptive = Self { class: self.class, engine_version: self.engine_version, ..Self::default() };
        (disruptive, Self { class: None, engine_version: None, ..self })
    }

    /// Calm changes together with disruptive ones.
    pub(super) fn join(self, disruptive: Self) -> Self {
        Self { class: disruptive.class, engine_version: disruptive.engine_version, ..self }
    }

    /// The fields of the spec that these changes are about.
    pub(super) fn fields(&self) -> Vec<&'static str> {
        self.named().into_iter().map(|(field, _)| field).collect()
    }

    fn named(&self) -> Vec<(&'static str, String)> {
        let text = |value: &Option<String>| value.clone();
        let number = |value: Option<i32>| value.map(|value| value.to_string());
        [
            ("instanceClass", text(&self.class)),
            ("engineVersion", text(&self.engine_version)),
            ("storage.sizeGiB", number(self.storage_gib)),
            ("backup.retentionDays", number(self.backup_retention)),
            ("backup.window", text(&self.backup_window)),
            ("maintenance.window", text(&self.maintenance_window)),
            ("network.securityGroupIDs", self.security_groups.as_ref().map(|groups| groups.join(", "))),
            ("deletionProtection", self.deletion_protection.map(|on| if on { "on" } else { "off" }.to_owned())),
            ("publiclyAccessible", self.private.then(|| "false".to_owned())),
            ("parameterGroup", text(&self.parameter_group)),
        ]
        .into_iter()
        .filter_map(|(field, value)| Some((field, value?)))
        .collect()
    }
}

impl decision::Step for Step {
    fn call(&self) -> &'static str {
        match self {
            Self::MakeCredentials { .. } => "kubernetes:CreateSecret",
            Self::WriteConnection { .. } => "kubernetes:PatchSecret",
            Self::CreateParameterGroup { .. } => "rds:CreateDBParameterGroup",
            Self::ModifyParameterGroup { .. } => "rds:ModifyDBParameterGroup",
            Self::DeleteParameterGroup { .. } => "rds:DeleteDBParameterGroup",
            Self::Create(_) => "rds:CreateDBInstance",
            Self::Modify(_) | Self::SendPassword { .. } => "rds:ModifyDBInstance",
            Self::AddTags { .. } => "rds:AddTagsToResource",
            Self::RemoveTags { .. } => "rds:RemoveTagsFromResource",
            Self::Reboot => "rds:RebootDBInstance",
            Self::Delete { .. } => "rds:DeleteDBInstance",
        }
    }

    fn changes(&self) -> Vec<String> {
        let pairs = |map: &BTreeMap<String, String>| map.iter().map(|(k, v)| format!("{k}: {v}")).collect::<Vec<_>>();
        match self {
            Self::MakeCredentials { .. } => vec!["make the connection Secret with a new password".into()],
            Self::WriteConnection { .. } => vec!["bring the connection Secret up to date".into()],
            Self::CreateParameterGroup { name, .. } => vec![format!("create the parameter group {name}")],
            Self::ModifyParameterGroup { set, reset, .. } => {
                pairs(set).into_iter().chain(reset.iter().map(|key| format!("{key}: default"))).collect()
            }
            Self::DeleteParameterGroup { name } => vec![format!("delete the parameter group {name}")],
            Self::Create(_) => vec!["create the instance".into()],
            Self::Modify(changes) => {
                changes.named().into_iter().map(|(field, value)| format!("{field}: {value}")).collect()
            }
            Self::SendPassword { .. } => vec!["send the password of the connection Secret".into()],
            Self::AddTags { tags, .. } => pairs(tags),
            Self::RemoveTags { keys, .. } => keys.iter().map(|key| format!("{key}: absent")).collect(),
            Self::Reboot => vec!["reboot, for parameters that need it".into()],
            Self::Delete { final_snapshot: Some(name) } => {
                vec![format!("delete the instance, with the final snapshot {name}")]
            }
            Self::Delete { final_snapshot: None } => vec!["delete the instance without a final snapshot".into()],
        }
    }

    fn impact(&self) -> Impact {
        match self {
            Self::Modify(changes) if changes.is_disruptive() => Impact::Downtime,
            Self::Reboot => Impact::Reboot,
            _ => Impact::None,
        }
    }

    fn guarded(&self) -> bool {
        matches!(self, Self::Create(_) | Self::Delete { .. })
    }

    fn settles(&self) -> Option<(String, String)> {
        match self {
            Self::SendPassword { secret_uid } => Some((CREDENTIALS.to_owned(), secret_uid.clone())),
            _ => None,
        }
    }
}

/// The steps for those of the named fields that are tags.
pub(super) fn tag_steps(wanted: &Wanted<'_>, instance: &Instance, names: &[&str]) -> Vec<Step> {
    let (tags, keys) = tag_changes(&wanted.tags(&wanted.spec.tags), names);
    let arn = || instance.arn.clone();
    let add = (!tags.is_empty()).then(|| Step::AddTags { arn: arn(), tags });
    let remove = (!keys.is_empty()).then(|| Step::RemoveTags { arn: arn(), keys });
    add.into_iter().chain(remove).collect()
}
