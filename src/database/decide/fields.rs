//! The field table of a database, and its fields as wanted and as RDS answers them.

use std::cmp::Ordering;

use super::{Wanted, parameters::parameter_fields};
use crate::{
    database::{Availability, Instance, Seen, StorageType},
    field::{ABSENT, Change, Compared, Field, LeftOut, Row, on, rows},
    status::Impact,
};

const MODIFY: &[&str] = &["rds:ModifyDBInstance"];
const PARAMETERS: &[&str] = &["rds:ModifyDBParameterGroup", "rds:ResetDBParameterGroup"];
/// Where the spec's major version is below what AWS has.
const DOWN: &str = "AWS cannot go back to an earlier major version: set engineVersion to the major version that AWS has, or restore \
    a snapshot from before under another identifier";
/// Where somebody moved it to another subnet group.
const MOVE: &str = "a move to another subnet group takes the database down and gives it another address: make it with aws rds modify-db-instance \
    --db-subnet-group-name, or set network.subnetGroupName to what AWS has";
/// Where it is above, without leave.
const UP: &str = "another major version is a way of no return: set allowMajorVersionUpgrade: true for it, or engineVersion to the \
    major version that AWS has";

/// Where AWS took the upgrade and went back.
const TRIED: &str = "AWS tried the upgrade and went back, and another try may be another outage: the instance's events and its pg_upgrade \
    logs say why (aws rds describe-events --source-type db-instance). Mend that, then set allowMajorVersionUpgrade to false and to \
    true again";

/// What the record calls the major version that AWS was asked for, until it is there.
pub(super) const UPGRADE: &str = "majorUpgrade";

rows! {
    /// The field table.
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Overview.DBInstance.Modifying.html>
    pub FIELDS:
    IDENTIFIER = Row::own("identifier", "it is the instance's name").changes(Change::Never);
    REGION = Row::own("region", "it is where the instance is looked for").changes(Change::Never);
    ENGINE_VERSION = Row::of("engineVersion", Compared::Version).by(MODIFY).changes(Change::Up).disrupts(Impact::Downtime);
    INSTANCE_CLASS = Row::exact("instanceClass").by(MODIFY).disrupts(Impact::Downtime);
    MAJOR_UPGRADE = Row::with("allowMajorVersionUpgrade", "engineVersion");
    ENGINE = Row::exact("engine").always("postgres").fixed();
    SIZE = Row::of("storage.sizeGiB", Compared::Floor).by(MODIFY).changes(Change::Up);
    MAX_SIZE = Row::exact("storage.maxSizeGiB").by(MODIFY).left_out(LeftOut::Removed);
    STORAGE_TYPE = Row::exact("storage.type").by(MODIFY).left_out(LeftOut::NotCompared);
    IOPS = Row::exact("storage.iops").by(MODIFY).left_out(LeftOut::NotCompared);
    THROUGHPUT = Row::exact("storage.throughput").by(MODIFY).left_out(LeftOut::NotCompared);
    AVAILABILITY = Row::exact("availability").by(MODIFY);
    DATABASE_NAME = Row::exact("databaseName").fixed().left_out(LeftOut::NotCompared);
    USERNAME = Row::exact("credentials.username").fixed();
    SECRET = Row::own("connectionSecretName", "it names the Secret; a Secret that is lost is made again").changes(Change::Never);
    SUBNET_GROUP = Row::of("network.subnetGroupName", Compared::Caseless).person(MOVE).changes(Change::Never).left_out(LeftOut::NotCompared);
    SECURITY_GROUPS = Row::of("network.securityGroupIDs", Compared::Set).by(MODIFY).left_out(LeftOut::NotCompared);
    PUBLIC = Row::exact("publiclyAccessible").always("false").by(MODIFY).security();
    BACKUP_RETENTION = Row::exact("backup.retentionDays").by(MODIFY);
    BACKUP_WINDOW = Row::exact("backup.window").by(MODIFY).left_out(LeftOut::NotCompared);
    COPY_TAGS = Row::exact("copyTagsToSnapshot").always("on").by(MODIFY);
    LOG_EXPORTS = Row::of("logExports", Compared::Entries).by(MODIFY).left_out(LeftOut::Removed);
    INSIGHTS = Row::exact("performanceInsights.enabled").by(MODIFY);
    INSIGHTS_RETENTION = Row::exact("performanceInsights.retentionDays").by(MODIFY).left_out(LeftOut::NotCompared);
    CERTIFICATE = Row::exact("caCertificateIdentifier").by(MODIFY).left_out(LeftOut::NotCompared).disrupts(Impact::Reboot);
    AUTO_MINOR = Row::exact("maintenance.autoMinorVersionUpgrade").by(MODIFY);
    MAINTENANCE_WINDOW = Row::exact("maintenance.window").by(MODIFY).left_out(LeftOut::NotCompared);
    PARAMETERS_OF = Row::of("parameters", Compared::Entries).by(PARAMETERS).left_out(LeftOut::Removed);
    FORCE_SSL = Row::exact("parameters.rds.force_ssl").always("1").by(PARAMETERS).security();
    PARAMETER_GROUP = Row::exact("parameterGroup").always("AWS's default group, or one of its own if parameters are set").by(MODIFY);
    DELETION_PROTECTION = Row::exact("deletionProtection").by(MODIFY);
    KEY = Row::own("encryption.keyManagement", "an instance that is not encrypted is never managed: NotAtRest");
    DISRUPTION = Row::own("disruption", "it says when disruptive changes happen");
    DRIFT_POLICY = Row::own("driftPolicy", "it says what is done about drift");
    ADOPTION = Row::own("adoption", "it says what is done about an instance that is already there");
    DELETION_POLICY = Row::own("deletionPolicy", "it says what becomes of the instance");
    TAGS = Row::of("tags", Compared::Entries).by(&["rds:AddTagsToResource", "rds:RemoveTagsFromResource"]).left_out(LeftOut::Removed);
}

/// The fields.
pub(super) fn fields(wanted: &Wanted<'_>, seen: &Seen, instance: &Instance) -> Vec<Field> {
    let spec = wanted.spec;
    let applied = wanted.status.applied.as_ref();
    let pending = &instance.pending;
    let version = pending.engine_version.as_ref().unwrap_or(&instance.engine_version);
    let mut engine_version = ENGINE_VERSION.field(&spec.engine_version, version);
    let mut parameters = parameter_fields(wanted, seen, instance);
    // Validation saw the change of the spec; what AWS has may be something else again (rule 11).
    let way_out = match major(version).cmp(&major(&spec.engine_version)) {
        Ordering::Greater => Some(DOWN),
        Ordering::Less if !spec.allow_major_version_upgrade => Some(UP),
        Ordering::Less if instance.status == "available" && upgrade_asked(wanted, instance).is_some() => Some(TRIED),
        _ => None,
    };
    if let Some(way_out) = way_out {
        engine_version = engine_version.blocked(way_out);
        // The spec's parameter group is of a family that AWS refuses for this instance.
        for field in parameters.iter_mut().filter(|field| !field.same && field.name != FORCE_SSL.name) {
            field.blocked = Some(way_out.to_owned());
        }
    }
    let mut fields = vec![
        PUBLIC.field(false, instance.publicly_accessible),
        INSTANCE_CLASS.field(&spec.instance_class, pending.class.as_ref().unwrap_or(&instance.class)),
        engine_version,
        SIZE.field(spec.storage.size_gib, pending.storage_gib.unwrap_or(instance.storage_gib)),
        BACKUP_RETENTION
            .field(spec.backup.retention_days, pending.backup_retention.unwrap_or(instance.backup_retention)),
        DELETION_PROTECTION.field(on(spec.deletion_protection), on(instance.deletion_protection)),
        AVAILABILITY.field(spec.availability.name(), availability(instance).name()),
        COPY_TAGS.field("on", on(instance.copy_tags)),
        INSIGHTS.field(on(spec.performance_insights.enabled), on(instance.insights.is_some())),
        AUTO_MINOR.field(on(spec.maintenance.auto_minor_version_upgrade), on(instance.auto_minor_upgrade)),
        ENGINE.field("postgres", &instance.engine),
        USERNAME.field(&spec.credentials.username, &instance.master_username),
    ];
    fields.extend(storage_fields(wanted, instance));
    let insights = spec.performance_insights.retention_days.filter(|_| instance.insights.is_some());
    fields.extend(INSIGHTS_RETENTION.optional(insights, instance.insights.unwrap_or_default(), applied));
    let certificate = pending.certificate.as_ref().unwrap_or(&instance.certificate);
    fields.extend(CERTIFICATE.optional(spec.ca_certificate_identifier.as_ref(), certificate, applied));
    let exports =
        |names: &mut dyn Iterator<Item = &str>| names.map(|name| (name.to_owned(), "on".to_owned())).collect();
    let wanted_exports = exports(&mut spec.log_exports.iter().map(|log| log.name()));
    let seen_exports = exports(&mut instance.log_exports.iter().map(String::as_str));
    fields.extend(LOG_EXPORTS.entries(&wanted_exports, &seen_exports, applied));
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    fields.extend(BACKUP_WINDOW.optional(spec.backup.window.as_ref(), &instance.backup_window, applied));
    fields.extend(MAINTENANCE_WINDOW.optional(spec.maintenance.window.as_ref(), &instance.maintenance_window, applied));
    fields.extend(
        spec.network.security_group_ids.as_ref().map(|ids| SECURITY_GROUPS.set(ids, &instance.security_groups)),
    );
    fields.extend(DATABASE_NAME.optional(spec.database_name.as_ref(), text(&instance.db_name), applied));
    // AWS stores subnet group names in lower case.
    let subnet_group = text(&instance.subnet_group);
    fields.extend(SUBNET_GROUP.optional(spec.network.subnet_group_name.as_ref(), subnet_group, applied));
    fields.extend(parameters);
    fields.extend(TAGS.entries(&wanted.tags(&spec.tags), &instance.tags, applied));
    fields
}

/// Kind and figures of the storage, with what is pending there.
fn storage_fields(wanted: &Wanted<'_>, instance: &Instance) -> Vec<Field> {
    let storage = &wanted.spec.storage;
    let applied = wanted.status.applied.as_ref();
    let pending = &instance.pending;
    let figure = |figure: Option<i32>| figure.map_or_else(|| ABSENT.to_owned(), |figure| figure.to_string());
    let kind = pending.storage_type.as_ref().unwrap_or(&instance.storage_type);
    let mut max_size = MAX_SIZE.optional(storage.max_size_gib, figure(instance.max_storage_gib), applied);
    // AWS wants room of a tenth of what it has grown the storage to, and the present size would turn autoscaling off.
    // <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.Autoscaling.html>
    let least = instance.storage_gib + (instance.storage_gib + 9) / 10;
    if storage.max_size_gib.is_some_and(|most| most < least) {
        max_size = max_size.map(|field| {
            let has = instance.storage_gib;
            let ways_out = format!(
                "the storage has grown to {has} GiB, and AWS takes no ceiling below {least}: set storage.maxSizeGiB to {least} or more, or leave it out"
            );
            if field.same { field } else { field.blocked(ways_out) }
        });
    }
    [
        max_size,
        STORAGE_TYPE.optional(storage.type_.map(StorageType::name), kind, applied),
        IOPS.optional(storage.iops, figure(pending.iops.or(instance.iops)), applied),
        THROUGHPUT.optional(storage.throughput, figure(pending.throughput.or(instance.throughput)), applied),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The upgrade to another major version that AWS has accepted and that is not there.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_UpgradeDBInstance.PostgreSQL.MajorVersion.Process.html>
pub(super) fn upgrade_asked(wanted: &Wanted<'_>, instance: &Instance) -> Option<String> {
    let asked = wanted.status.applied.as_ref()?.get(UPGRADE)?;
    let spec = wanted.spec;
    let stands = spec.allow_major_version_upgrade && *asked == spec.engine_version;
    (stands && major(asked) != major(&instance.engine_version)).then(|| asked.clone())
}

fn availability(instance: &Instance) -> Availability {
    if instance.pending.multi_az.unwrap_or(instance.multi_az) { Availability::MultiAz } else { Availability::SingleAz }
}

/// The major version's number; 0 if there is none.
pub(super) fn major(version: &str) -> u32 {
    version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or_default()
}
