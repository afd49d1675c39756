//! The field table of a database: each field, how it is compared, and what is security.

use super::{
    Wanted,
    parameters::{FORCE_SSL, parameter_fields},
};
use crate::{
    database::{Instance, Seen},
    drift::{Field, tag_fields},
};

/// The fields.
pub(super) fn fields(wanted: &Wanted<'_>, seen: &Seen, instance: &Instance) -> Vec<Field> {
    let spec = wanted.spec;
    let now_or_pending = |pending: &Option<String>, now: &String| pending.clone().unwrap_or_else(|| now.clone());
    let version = now_or_pending(&instance.pending.engine_version, &instance.engine_version);
    let storage = instance.pending.storage_gib.unwrap_or(instance.storage_gib);
    let retention = instance.pending.backup_retention.unwrap_or(instance.backup_retention);
    let on = |yes: bool| if yes { "on" } else { "off" };
    let mut fields = vec![
        Field::exact("publiclyAccessible", &false, &instance.publicly_accessible).security(),
        Field::exact("instanceClass", &spec.instance_class, &now_or_pending(&instance.pending.class, &instance.class)),
        Field::new(
            "engineVersion",
            &*spec.engine_version,
            version.clone(),
            version_matches(&spec.engine_version, &version),
        ),
        Field::new(
            "storage.sizeGiB",
            format!("at least {}", spec.storage.size_gib),
            storage.to_string(),
            storage >= spec.storage.size_gib,
        ),
        Field::exact("backup.retentionDays", &spec.backup.retention_days, &retention),
        Field::exact("deletionProtection", &on(spec.deletion_protection), &on(instance.deletion_protection)),
    ];
    let mut parameters = parameter_fields(wanted, seen, instance);
    if version_major(&version) != Some(spec.major()) {
        let way_out = "a major upgrade or downgrade is not made by the operator yet: set engineVersion to the major version that AWS has";
        let last = fields.remove(2);
        fields.insert(2, last.blocked(way_out));
        // The spec's parameter group is of a family that AWS refuses for this instance.
        for field in parameters.iter_mut().filter(|field| !field.same && field.name != FORCE_SSL) {
            field.blocked = Some(way_out.to_owned());
        }
    }
    if let Some(window) = &spec.backup.window {
        fields.push(Field::exact("backup.window", window, &instance.backup_window));
    }
    if let Some(window) = &spec.maintenance.window {
        fields.push(Field::exact("maintenance.window", window, &instance.maintenance_window));
    }
    if let Some(groups) = &spec.network.security_group_ids {
        fields.push(Field::set("network.securityGroupIDs", groups, &instance.security_groups));
    }
    fields.extend(fixed_fields(wanted, instance));
    fields.extend(parameters);
    fields.extend(tag_fields(&wanted.tags(&spec.tags), &instance.tags, wanted.status.applied.as_ref()));
    fields
}

/// What AWS sets at creation and nobody can change.
fn fixed_fields(wanted: &Wanted<'_>, instance: &Instance) -> Vec<Field> {
    let spec = wanted.spec;
    let mut fields = vec![Field::exact("credentials.username", &spec.credentials.username, &instance.master_username)];
    if let Some(name) = &spec.database_name {
        fields.push(Field::exact("databaseName", name, &instance.db_name.clone().unwrap_or_default()));
    }
    if let Some(group) = &spec.network.subnet_group_name {
        // AWS stores subnet group names in lower case.
        let observed = instance.subnet_group.as_deref().unwrap_or_default();
        fields.push(Field::caseless("network.subnetGroupName", group, observed));
    }
    fields.into_iter().map(Field::fixed).collect()
}

pub(super) fn version_major(version: &str) -> Option<&str> {
    version.split('.').next()
}

/// "16" matches any 16.x; "16.4" matches 16.4 and what automatic minor upgrades made of it.
pub(super) fn version_matches(wanted: &str, seen: &str) -> bool {
    let minor = |version: &str| version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    version_major(wanted) == version_major(seen)
        && minor(wanted).is_none_or(|wanted| minor(seen).is_some_and(|seen| seen >= wanted))
}
