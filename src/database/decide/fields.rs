//! The field table of a database, and its fields as wanted and as RDS answers them.

use super::{Wanted, parameters::parameter_fields};
use crate::{
    database::{Instance, Seen},
    field::{Change, Compared, Field, LeftOut, Row, on, rows},
    status::Impact,
};

const MODIFY: &[&str] = &["rds:ModifyDBInstance"];
const PARAMETERS: &[&str] = &["rds:ModifyDBParameterGroup", "rds:ResetDBParameterGroup"];
/// Where AWS cannot give the major version that the spec says.
const MAJOR: &str =
    "a major upgrade or downgrade is not made by the operator yet: set engineVersion to the major version that AWS has";

rows! {
    /// The field table.
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Overview.DBInstance.Modifying.html>
    pub FIELDS:
    IDENTIFIER = Row::own("identifier", "it is the instance's name").changes(Change::Never);
    REGION = Row::own("region", "it is where the instance is looked for").changes(Change::Never);
    ENGINE_VERSION = Row::of("engineVersion", Compared::Version).by(MODIFY).changes(Change::Up).disrupts(Impact::Downtime);
    INSTANCE_CLASS = Row::exact("instanceClass").by(MODIFY).disrupts(Impact::Downtime);
    SIZE = Row::of("storage.sizeGiB", Compared::Floor).by(MODIFY).changes(Change::Up);
    DATABASE_NAME = Row::exact("databaseName").fixed().left_out(LeftOut::NotCompared);
    USERNAME = Row::exact("credentials.username").fixed();
    SECRET = Row::own("connectionSecretName", "it names the Secret; a Secret that is lost is made again").changes(Change::Never);
    SUBNET_GROUP = Row::of("network.subnetGroupName", Compared::Caseless).fixed().left_out(LeftOut::NotCompared);
    SECURITY_GROUPS = Row::of("network.securityGroupIDs", Compared::Set).by(MODIFY).left_out(LeftOut::NotCompared);
    PUBLIC = Row::exact("publiclyAccessible").always("false").by(MODIFY).security();
    BACKUP_RETENTION = Row::exact("backup.retentionDays").by(MODIFY);
    BACKUP_WINDOW = Row::exact("backup.window").by(MODIFY).left_out(LeftOut::NotCompared);
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
    if version_major(version) != Some(spec.major()) {
        engine_version = engine_version.blocked(MAJOR);
        // The spec's parameter group is of a family that AWS refuses for this instance.
        for field in parameters.iter_mut().filter(|field| !field.same && field.name != FORCE_SSL.name) {
            field.blocked = Some(MAJOR.to_owned());
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
        USERNAME.field(&spec.credentials.username, &instance.master_username),
    ];
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

pub(super) fn version_major(version: &str) -> Option<&str> {
    version.split('.').next()
}
