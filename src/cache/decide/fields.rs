//! The field table of a cache, and its fields as wanted and as ElastiCache answers them.

use std::collections::BTreeMap;

use super::{
    Wanted,
    credentials::authenticates,
    logs::{self, log_fields},
    parameters::{comes_with_version, parameter_fields, records},
    state::in_transit,
};
use crate::{
    cache::{Group, Member, Seen, parameter_groups::is_record},
    field::{Change, Compared, Field, LeftOut, Row, on, rows},
    status::Impact,
};

const MODIFY: &[&str] = &["elasticache:ModifyReplicationGroup"];
const REPLICA_COUNT: &[&str] = &["elasticache:IncreaseReplicaCount", "elasticache:DecreaseReplicaCount"];
const PARAMETER_CALLS: &[&str] = &["elasticache:ModifyCacheParameterGroup", "elasticache:ResetCacheParameterGroup"];
const TAGGING: &[&str] = &["elasticache:AddTagsToResource", "elasticache:RemoveTagsFromResource"];
const TOKEN: &str = "the operator does not change how clients authenticate: they would be locked out. Put the token back with \
    aws elasticache modify-replication-group --auth-token, from the connection Secret";

rows! {
    /// The field table.
    /// <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_ModifyReplicationGroup.html>
    pub FIELDS:
    IDENTIFIER = Row::own("identifier", "it is the group's name").changes(Change::Never);
    REGION = Row::own("region", "it is where the group is looked for").changes(Change::Never);
    ENGINE = Row::of("engine", Compared::Caseless).fixed();
    ENGINE_VERSION = Row::of("engineVersion", Compared::VersionFloor).by(MODIFY).changes(Change::Up)
        .left_out(LeftOut::NotCompared).disrupts(Impact::Downtime);
    NODE_TYPE = Row::exact("nodeType").by(MODIFY).disrupts(Impact::Downtime);
    REPLICAS = Row::exact("replicas").by(REPLICA_COUNT);
    AVAILABILITY = Row::exact("availability").by(MODIFY);
    FAILOVER = Row::exact("automaticFailover").always("on if there are replicas").by(MODIFY);
    TRANSIT = Row::exact("transitEncryption").always("required").by(MODIFY).security();
    AUTHENTICATION = Row::exact("authentication").person(TOKEN).changes(Change::Never).security();
    SECRET = Row::own("connectionSecretName", "it names the Secret; a Secret that is lost is made again").changes(Change::Never);
    SUBNET_GROUP = Row::of("network.subnetGroupName", Compared::Caseless).fixed().left_out(LeftOut::NotCompared);
    SECURITY_GROUPS = Row::of("network.securityGroupIDs", Compared::Set).by(MODIFY).left_out(LeftOut::NotCompared);
    SNAPSHOT_RETENTION = Row::exact("snapshot.retentionDays").by(MODIFY);
    SNAPSHOT_WINDOW = Row::exact("snapshot.window").by(MODIFY).left_out(LeftOut::NotCompared);
    MAINTENANCE_WINDOW = Row::exact("maintenance.window").by(MODIFY).left_out(LeftOut::NotCompared);
    MINOR_UPGRADES = Row::exact("maintenance.autoMinorVersionUpgrade").by(MODIFY);
    PARAMETERS = Row::of("parameters", Compared::Entries).by(PARAMETER_CALLS).left_out(LeftOut::Removed);
    PARAMETER_GROUP = Row::exact("parameterGroup").always("AWS's default group, or one of its own if parameters are set").by(MODIFY);
    LOGS = Row::of("logDelivery", Compared::Entries).by(MODIFY).left_out(LeftOut::Removed);
    KEY = Row::own("encryption.keyManagement", "a group that is not encrypted is never managed: NotAtRest");
    DISRUPTION = Row::own("disruption", "it says when disruptive changes happen");
    DRIFT_POLICY = Row::own("driftPolicy", "it says what is done about drift");
    ADOPTION = Row::own("adoption", "it says what is done about a group that is already there");
    DELETION_POLICY = Row::own("deletionPolicy", "it says what becomes of the group");
    TAGS = Row::of("tags", Compared::Entries).by(TAGGING).left_out(LeftOut::Removed);
}

/// The fields.
pub(super) fn fields(wanted: &Wanted<'_>, seen: &Seen, group: &Group) -> Vec<Field> {
    let spec = wanted.spec;
    let applied = wanted.status.applied.as_ref();
    let mut fields = vec![
        TRANSIT.field("required", in_transit(group)),
        AUTHENTICATION.field(on(authenticates(wanted)), on(group.auth_token)),
        FAILOVER.field(on(spec.replicas > 0), on(group.failover.starts_with("enabl"))),
        AVAILABILITY.field(spec.availability.name(), group.availability.name()),
        SNAPSHOT_RETENTION.field(spec.snapshot.retention_days, group.snapshot_retention),
        MINOR_UPGRADES.field(on(spec.maintenance.auto_minor_version_upgrade), on(group.auto_minor_version_upgrade)),
    ];
    // A group in creation does not list its members at once.
    if !group.members.is_empty() {
        fields.push(REPLICAS.field(spec.replicas, replicas(group)));
    }
    fields.extend(SNAPSHOT_WINDOW.optional(spec.snapshot.window.as_ref(), &group.snapshot_window, applied));
    fields.extend(log_fields(wanted, group));
    if let Some(member) = &seen.member {
        fields.extend(member_fields(wanted, group, member));
        fields.extend(parameter_fields(wanted, seen, member));
    }
    if let Some(tags) = &seen.tags {
        fields.extend(TAGS.entries(&wanted.tags(&spec.tags), tags, applied));
    }
    fields
}

/// Fields that the member answers, not the group.
fn member_fields(wanted: &Wanted<'_>, group: &Group, member: &Member) -> Vec<Field> {
    let spec = wanted.spec;
    let applied = wanted.status.applied.as_ref();
    let mut fields = vec![
        NODE_TYPE.field(&spec.node_type, member.pending_node_type.as_ref().unwrap_or(&group.node_type)),
        ENGINE.field(spec.engine.name(), &member.engine),
    ];
    let version = member.pending_engine_version.as_ref().unwrap_or(&member.engine_version);
    fields.extend(ENGINE_VERSION.optional(spec.engine_version.as_ref(), version, applied));
    fields.extend(MAINTENANCE_WINDOW.optional(spec.maintenance.window.as_ref(), &member.maintenance_window, applied));
    let groups = spec.network.security_group_ids.as_ref();
    fields.extend(groups.map(|ids| SECURITY_GROUPS.set(ids, &member.security_groups)));
    let subnet_group = member.subnet_group.as_deref().unwrap_or_default();
    fields.extend(SUBNET_GROUP.optional(spec.network.subnet_group_name.as_ref(), subnet_group, applied));
    fields
}

/// The members beside the primary.
pub(super) fn replicas(group: &Group) -> i32 {
    i32::try_from(group.members.len()).unwrap_or(i32::MAX).saturating_sub(1)
}

/// What AWS does not answer now keeps its record: "not answered" is no removal.
pub(super) fn keep_unseen(applied: &mut BTreeMap<String, String>, wanted: &Wanted<'_>, seen: &Seen, group: &Group) {
    for (name, value) in wanted.status.applied.iter().flatten() {
        if unseen(name, wanted, seen, group) && !applied.contains_key(name) {
            applied.insert(name.clone(), value.clone());
        }
    }
}

/// The next record beside that of the fields: the groups of its own that are there.
pub(super) fn record_groups(applied: &mut BTreeMap<String, String>, wanted: &Wanted<'_>, seen: &Seen) {
    applied.extend(records(wanted, seen));
}

/// Whether a field is one that this look cannot compare: tags, what the members answer or count, parameters while it is
/// not known which group is used or another comes with a new version, and logs that AWS is just delivering elsewhere.
pub(super) fn unseen(name: &str, wanted: &Wanted<'_>, seen: &Seen, group: &Group) -> bool {
    let of_the_member =
        ["nodeType", "engine", "engineVersion", "maintenance.window"].contains(&name) || name.starts_with("network.");
    let of_parameters = PARAMETERS.covers(name) || PARAMETER_GROUP.covers(name) || is_record(name);
    let another_comes = seen.member.as_ref().is_some_and(|member| comes_with_version(wanted, member));
    (seen.tags.is_none() && TAGS.covers(name))
        || (another_comes && PARAMETERS.covers(name))
        || ((seen.parameter_groups.is_none() || seen.member.is_none()) && of_parameters)
        || logs::unseen(name, group)
        || (seen.member.is_none() && of_the_member)
        || (group.members.is_empty() && name == "replicas")
}
