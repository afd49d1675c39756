//! The steps of a database, as data.

use std::collections::{BTreeMap, BTreeSet};

use super::{Changes, Wanted, fields::UPGRADE};
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
        /// Whether the instance runs with the group: then what is dynamic holds at once.
        in_use: bool,
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
    /// Up to which size AWS grows the storage, in GiB.
    pub max_storage_gib: Option<i32>,
    /// Kind of storage.
    pub storage_type: Option<&'static str>,
    /// I/O operations a second.
    pub iops: Option<i32>,
    /// Throughput, in MiB a second.
    pub throughput: Option<i32>,
    /// Whether a standby takes over.
    pub multi_az: bool,
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
    /// Whether AWS makes minor upgrades by itself.
    pub auto_minor_upgrade: bool,
    /// Logs to export.
    pub log_exports: Vec<&'static str>,
    /// Certificate authority.
    pub certificate: Option<String>,
    /// Performance Insights, with the days that its data is kept.
    pub insights: Option<Option<i32>>,
    /// All tags.
    pub tags: BTreeMap<String, String>,
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
            Self::Modify(changes) => changes.in_words(),
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
            Self::Modify(changes) => changes.impact(),
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
            // AWS may give it up again, and shows nothing of that.
            Self::Modify(changes) if changes.major_upgrade => {
                changes.engine_version.clone().map(|version| (UPGRADE.to_owned(), version))
            }
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
