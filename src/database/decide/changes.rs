//! What a modification of an instance changes.

use std::collections::BTreeSet;

use super::{
    Wanted,
    fields::{LOG_EXPORTS, major},
    parameters::wanted_group,
};
use crate::{
    database::{Availability, Instance, LogExport, StorageType},
    drift::entries_of,
    field::on,
    status::Impact,
};

/// From so many days on the retention of Performance Insights fits the Advanced mode of Database Insights.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_DatabaseInsights.TurningOnAdvanced.html>
const ADVANCED_DAYS: i32 = 465;

/// What a modification changes. What is absent stays.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBInstance.html>
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "switches that the call turns one way only")]
pub struct Changes {
    /// Class. Disruptive.
    pub class: Option<String>,
    /// Version. Disruptive.
    pub engine_version: Option<String>,
    /// Whether the version is another major one.
    pub major_upgrade: bool,
    /// Certificate authority. Disruptive: the instance restarts.
    pub certificate: Option<String>,
    /// Size, kind and figures of the storage.
    pub volume: Volume,
    /// Up to which size AWS grows the storage, in GiB; its present size turns that off.
    pub max_storage_gib: Option<i32>,
    /// Whether a standby takes over.
    pub multi_az: Option<bool>,
    /// Backup retention, in days.
    pub backup_retention: Option<i32>,
    /// Backup window.
    pub backup_window: Option<String>,
    /// Maintenance window.
    pub maintenance_window: Option<String>,
    /// Whether AWS makes minor upgrades by itself.
    pub auto_minor_upgrade: Option<bool>,
    /// Security groups.
    pub security_groups: Option<Vec<String>>,
    /// Deletion protection.
    pub deletion_protection: Option<bool>,
    /// Takes the public address away.
    pub private: bool,
    /// Copies the tags to snapshots.
    pub copy_tags: bool,
    /// Logs to export from now on.
    pub logs_on: BTreeSet<String>,
    /// Logs to export no more.
    pub logs_off: BTreeSet<String>,
    /// Takes Database Insights out of its Advanced mode, which holds Performance Insights fast.
    pub insights_standard: bool,
    /// Performance Insights on or off.
    pub insights: Option<bool>,
    /// Days that the data of Performance Insights is kept.
    pub insights_retention: Option<i32>,
    /// Parameter group; takes effect at the next reboot.
    pub parameter_group: Option<String>,
}

/// Size, kind and figures of the storage. Where there are figures to be chosen, AWS wants size and IOPS together, so the
/// one that stays is sent too.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.ModifyingExisting.html>
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// Size, in GiB.
    pub gib: Option<i32>,
    /// Kind.
    pub type_: Option<&'static str>,
    /// I/O operations a second.
    pub iops: Option<i32>,
    /// Throughput, in MiB a second.
    pub throughput: Option<i32>,
}

impl Volume {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Changes {
    /// The changes that the named fields need.
    pub(super) fn of(names: &[&str], wanted: &Wanted<'_>, instance: &Instance) -> Self {
        let spec = wanted.spec;
        let has = |name: &str| names.contains(&name);
        let group = wanted_group(wanted);
        // A group of ours that lets connections in without TLS is mended in place, by its parameters.
        let regroup = has("parameterGroup") && instance.parameter_group != group;
        let upgrade = has("engineVersion");
        let major_upgrade = upgrade && major(&spec.engine_version) != major(&instance.engine_version);
        // AWS moves a default group to the new family by itself, and no other.
        let regroup = regroup || (major_upgrade && !instance.parameter_group.starts_with("default."));
        let wanted_logs: BTreeSet<_> = spec.log_exports.iter().map(|log| LogExport::name(*log)).collect();
        let logs = entries_of(&LOG_EXPORTS, names);
        let (logs_on, logs_off) = logs.into_iter().partition(|log| wanted_logs.contains(log.as_str()));
        let insights = &spec.performance_insights;
        let about_insights = has("performanceInsights.enabled") || has("performanceInsights.retentionDays");
        let fits_advanced = insights.enabled && insights.retention_days.is_some_and(|days| days >= ADVANCED_DAYS);
        Self {
            class: has("instanceClass").then(|| spec.instance_class.clone()),
            engine_version: upgrade.then(|| spec.engine_version.clone()),
            major_upgrade,
            certificate: spec.ca_certificate_identifier.clone().filter(|_| has("caCertificateIdentifier")),
            volume: volume(&has, wanted, instance),
            max_storage_gib: has("storage.maxSizeGiB")
                .then(|| spec.storage.max_size_gib.unwrap_or(instance.storage_gib)),
            multi_az: has("availability").then_some(spec.availability == Availability::MultiAz),
            backup_retention: has("backup.retentionDays").then_some(spec.backup.retention_days),
            backup_window: spec.backup.window.clone().filter(|_| has("backup.window")),
            maintenance_window: spec.maintenance.window.clone().filter(|_| has("maintenance.window")),
            auto_minor_upgrade: has("maintenance.autoMinorVersionUpgrade")
                .then_some(spec.maintenance.auto_minor_version_upgrade),
            security_groups: spec.network.security_group_ids.clone().filter(|_| has("network.securityGroupIDs")),
            deletion_protection: has("deletionProtection").then_some(spec.deletion_protection),
            private: has("publiclyAccessible"),
            copy_tags: has("copyTagsToSnapshot"),
            logs_on,
            logs_off,
            insights_standard: about_insights && instance.insights_advanced && !fits_advanced,
            insights: has("performanceInsights.enabled").then_some(insights.enabled),
            insights_retention: insights.retention_days.filter(|_| about_insights && insights.enabled),
            parameter_group: regroup.then_some(group),
        }
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What the store's users notice.
    pub fn impact(&self) -> Impact {
        if self.class.is_some() || self.engine_version.is_some() {
            Impact::Downtime
        } else if self.certificate.is_some() {
            Impact::Reboot
        } else {
            Impact::None
        }
    }

    /// The disruptive changes and the calm ones. A major upgrade takes its parameter group with it, since AWS accepts
    /// neither without the other.
    ///
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_UpgradeDBInstance.PostgreSQL.MajorVersion.Process.html>
    pub(super) fn split(mut self) -> (Self, Self) {
        let major_upgrade = std::mem::take(&mut self.major_upgrade);
        let disruptive = Self {
            class: self.class.take(),
            engine_version: self.engine_version.take(),
            certificate: self.certificate.take(),
            parameter_group: if major_upgrade { self.parameter_group.take() } else { None },
            major_upgrade,
            ..Self::default()
        };
        (disruptive, self)
    }

    /// What is sent first, and what after it. AWS refuses a call as a whole, and every change of the storage for six hours
    /// after the last one, so that goes by itself: it must not hold up what closes a door.
    pub(super) fn in_order(mut self) -> (Self, Option<Self>) {
        let volume = Self { volume: std::mem::take(&mut self.volume), ..Self::default() };
        match (self.is_empty(), volume.is_empty()) {
            (true, _) => (volume, None),
            (false, true) => (self, None),
            (false, false) => (self, Some(volume)),
        }
    }

    /// Calm changes together with disruptive ones.
    pub(super) fn join(self, disruptive: Self) -> Self {
        Self {
            class: disruptive.class,
            engine_version: disruptive.engine_version,
            major_upgrade: disruptive.major_upgrade,
            certificate: disruptive.certificate,
            parameter_group: disruptive.parameter_group.or(self.parameter_group),
            ..self
        }
    }

    /// Whether these changes are about a field.
    pub(super) fn changes(&self, field: &str) -> bool {
        self.named().iter().any(|(name, _)| name == field)
    }

    /// Field and value of each, in words.
    pub(super) fn in_words(&self) -> Vec<String> {
        self.named().into_iter().map(|(field, value)| format!("{field}: {value}")).collect()
    }

    fn named(&self) -> Vec<(String, String)> {
        let text = |value: &Option<String>| value.clone();
        let number = |value: Option<i32>| value.map(|value| value.to_string());
        let switch = |value: Option<bool>| value.map(|value| on(value).to_owned());
        let always = |set: bool, value: &str| set.then(|| value.to_owned());
        let availability =
            |multi_az: bool| if multi_az { Availability::MultiAz } else { Availability::SingleAz }.name().to_owned();
        let fields = [
            ("instanceClass", text(&self.class)),
            ("engineVersion", text(&self.engine_version)),
            ("caCertificateIdentifier", text(&self.certificate)),
            ("storage.sizeGiB", number(self.volume.gib)),
            ("storage.type", self.volume.type_.map(str::to_owned)),
            ("storage.iops", number(self.volume.iops)),
            ("storage.throughput", number(self.volume.throughput)),
            ("storage.maxSizeGiB", number(self.max_storage_gib)),
            ("availability", self.multi_az.map(availability)),
            ("backup.retentionDays", number(self.backup_retention)),
            ("backup.window", text(&self.backup_window)),
            ("maintenance.window", text(&self.maintenance_window)),
            ("maintenance.autoMinorVersionUpgrade", switch(self.auto_minor_upgrade)),
            ("network.securityGroupIDs", self.security_groups.as_ref().map(|groups| groups.join(", "))),
            ("deletionProtection", switch(self.deletion_protection)),
            ("publiclyAccessible", always(self.private, "false")),
            ("copyTagsToSnapshot", always(self.copy_tags, "on")),
            ("databaseInsightsMode", always(self.insights_standard, "standard")),
            ("performanceInsights.enabled", switch(self.insights)),
            ("performanceInsights.retentionDays", number(self.insights_retention)),
            ("parameterGroup", text(&self.parameter_group)),
        ];
        let logs = |logs: &BTreeSet<String>, value: &str| {
            logs.iter().map(|log| (format!("logExports.{log}"), value.to_owned())).collect::<Vec<_>>()
        };
        let fields = fields.into_iter().filter_map(|(field, value)| Some((field.to_owned(), value?)));
        fields.chain(logs(&self.logs_on, "on")).chain(logs(&self.logs_off, "off")).collect()
    }
}

/// The storage to ask for, where one of the named fields is about it.
fn volume(has: &impl Fn(&str) -> bool, wanted: &Wanted<'_>, instance: &Instance) -> Volume {
    let storage = &wanted.spec.storage;
    let (resized, retyped) = (has("storage.sizeGiB"), has("storage.type"));
    let (iops, throughput) = (has("storage.iops"), has("storage.throughput"));
    if !(resized || retyped || iops || throughput) {
        return Volume::default();
    }
    let pending = &instance.pending;
    let present = pending.storage_gib.unwrap_or(instance.storage_gib);
    let present_kind = pending.storage_type.as_deref().unwrap_or(&instance.storage_type);
    let gib = if resized { storage.size_gib } else { present };
    let type_ = storage.type_.map(StorageType::name).filter(|_| retyped);
    let kind = type_.unwrap_or(present_kind);
    if !has_figures(kind, gib) {
        return Volume { gib: resized.then_some(gib), type_, ..Volume::default() };
    }
    let goes_on = kind == present_kind && has_figures(kind, present);
    let present_iops = pending.iops.or(instance.iops).filter(|_| goes_on);
    Volume {
        gib: Some(gib),
        type_,
        iops: storage.iops.filter(|_| iops || retyped).or(present_iops),
        throughput: storage.throughput.filter(|_| throughput || retyped),
    }
}

/// Whether IOPS can be chosen: for gp3 from 400 GiB on.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html#gp3-storage>
fn has_figures(kind: &str, gib: i32) -> bool {
    match kind {
        "io1" | "io2" => true,
        "gp3" => gib >= 400,
        _ => false,
    }
}
