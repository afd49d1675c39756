//! Situations of a cache and the exact plan for each. The deletion is in [`removal`], the change of a spec, drift and
//! windows in [`changes`], parameter groups in [`parameters`], the delivery of logs in [`logs`].

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Changes, CreateGroup, Step, Strategy, decide};
use crate::{
    cache::{Availability, Delivery, Group, Member, ParameterGroup, Seen, ShowCoreCacheSpec},
    conditions::{self, CREDENTIALS},
    connection::{Connection, SecretSeen},
    decision::{self, Decision, LookAgain, Presence, Step as _},
    spec::{DeletionPolicy, Disruption},
    status::DriftAction,
    testing::{Outcome, Scene, WINDOW, check, map, owner, tagged, time},
};

mod changes;
mod logs;
mod parameters;
mod removal;

const KIND: &str = "ShowCoreCache";
const ARN: &str = "arn:aws:elasticache:eu-central-1:111122223333:replicationgroup:shop";
const HOST: &str = "master.shop.abc.euc1.cache.amazonaws.com";

type Object = Scene<ShowCoreCacheSpec>;

/// An object that was just applied.
fn applied() -> Object {
    Scene::new(KIND, "shop", spec(json!({})))
}

/// A spec that names every field, changed by these.
#[expect(clippy::needless_pass_by_value, reason = "the tables give literals")]
fn spec(changes: Value) -> ShowCoreCacheSpec {
    let mut spec = json!({
        "engine": "redis",
        "engineVersion": "7.1",
        "nodeType": "cache.t3.micro",
        "network": { "subnetGroupName": "Private", "securityGroupIDs": ["sg-0a0a0a0a", "sg-0b0b0b0b"] },
        "snapshot": { "retentionDays": 1, "window": "03:00-04:00" },
        "maintenance": { "window": WINDOW },
        "tags": { "team": "core" },
    });
    for (field, value) in changes.as_object().expect("fields") {
        spec[field] = value.clone();
    }
    serde_json::from_value(spec).expect("a spec")
}

fn group() -> Group {
    Group {
        arn: ARN.into(),
        created: 1_790_000_000,
        status: "available".into(),
        nodes_available: true,
        members: vec!["shop-001".into()],
        node_type: "cache.t3.micro".into(),
        at_rest: true,
        kms_key: None,
        in_transit: true,
        in_transit_mode: Some("required".into()),
        auth_token: true,
        failover: "disabled".into(),
        availability: Availability::SingleAz,
        auto_minor_version_upgrade: true,
        logs: BTreeMap::new(),
        snapshot_retention: 1,
        snapshot_window: "03:00-04:00".into(),
        endpoint: Some((HOST.into(), 6379)),
    }
}

fn member() -> Member {
    Member {
        id: "shop-001".into(),
        // AWS does not always write it in the case that was asked for.
        engine: "Redis".into(),
        engine_version: "7.1.0".into(),
        maintenance_window: WINDOW.into(),
        security_groups: vec!["sg-0b0b0b0b".into(), "sg-0a0a0a0a".into()],
        parameter_group: "default.redis7".into(),
        parameter_status: "in-sync".into(),
        subnet_group: Some("private".into()),
        at_rest: true,
        pending_node_type: None,
        pending_engine_version: None,
    }
}

fn connection_of(endpoint: Option<(&str, i32)>) -> Connection {
    Connection {
        type_: "redis".into(),
        provider: "aws-elasticache".into(),
        host: endpoint.map(|(host, _)| host.into()),
        port: endpoint.map(|(_, port)| port),
        username: None,
        database: None,
        owned: true,
        password: true,
        ca: "Amazon Trust Services, which every system's trust store has: https://www.amazontrust.com/repository/"
            .into(),
    }
}

fn complete() -> Connection {
    connection_of(Some((HOST, 6379)))
}

fn secret(uid: &str, connection: Connection) -> SecretSeen {
    SecretSeen::Ours { uid: uid.into(), connection }
}

fn nothing() -> Seen {
    Seen {
        group: None,
        member: None,
        tags: None,
        parameter_groups: Some(vec![]),
        secret: SecretSeen::Absent,
        final_snapshots: vec![],
    }
}

fn present() -> Seen {
    Seen {
        group: Some(group()),
        member: Some(member()),
        tags: Some(tagged(KIND, &[("team", "core"), ("theirs", "kept")])),
        parameter_groups: Some(vec![]),
        secret: secret("s1", complete()),
        final_snapshots: vec![],
    }
}

fn with(change: impl FnOnce(&mut Group)) -> Seen {
    let mut group = group();
    change(&mut group);
    Seen { group: Some(group), ..present() }
}

fn with_member(change: impl FnOnce(&mut Member)) -> Seen {
    let mut member = member();
    change(&mut member);
    Seen { member: Some(member), ..present() }
}

fn with_tags(tags: BTreeMap<String, String>) -> Seen {
    Seen { tags: Some(tags), ..present() }
}

/// In another status than `available` ElastiCache answers no tags.
fn with_status(status: &str) -> Seen {
    let tags = present().tags.filter(|_| status == "available");
    Seen { tags, ..with(|group| group.status = status.into()) }
}

/// A group that is being created has neither a member nor an endpoint yet.
fn creating() -> Seen {
    Seen {
        group: Some(Group {
            members: vec![],
            endpoint: None,
            nodes_available: false,
            ..with_status("creating").group.unwrap_or_default()
        }),
        member: None,
        tags: None,
        parameter_groups: None,
        secret: secret("s1", connection_of(None)),
        final_snapshots: vec![],
    }
}

fn decided(scene: &Object, seen: &Seen) -> Decision<Step> {
    decide(&scene.wanted(), seen, scene.now)
}

/// An object whose cache stands as its spec says, and that was told so.
fn settled() -> Object {
    settled_as(spec(json!({})), &present())
}

fn settled_as(spec: ShowCoreCacheSpec, seen: &Seen) -> Object {
    let scene = applied().but(|scene| scene.spec = spec);
    let decision = decided(&scene, seen);
    assert_eq!((&decision.steps, &decision.held), (&vec![], &vec![]), "the fixture is not settled");
    scene.told(&decision)
}

fn calm() -> Outcome<Step> {
    Outcome::rest("Ready Available", "Yes AWSOwnedKey")
}

fn modify(change: impl FnOnce(&mut Changes)) -> Step {
    let mut changes = Changes::default();
    change(&mut changes);
    Step::Modify(Box::new(changes))
}

fn created(token_of: Option<&str>) -> Step {
    created_with(token_of, |_| {})
}

fn created_with(token_of: Option<&str>, change: impl FnOnce(&mut CreateGroup)) -> Step {
    let mut create = CreateGroup {
        engine: "redis",
        engine_version: Some("7.1".into()),
        node_type: "cache.t3.micro".into(),
        replicas: 0,
        availability: Availability::SingleAz,
        token_of: token_of.map(str::to_owned),
        subnet_group: Some("Private".into()),
        security_groups: Some(vec!["sg-0a0a0a0a".into(), "sg-0b0b0b0b".into()]),
        snapshot_retention: 1,
        snapshot_window: Some("03:00-04:00".into()),
        maintenance_window: Some(WINDOW.into()),
        auto_minor_version_upgrade: true,
        parameter_group: None,
        logs: vec![],
        tags: tagged(KIND, &[("team", "core")]),
    };
    change(&mut create);
    Step::Create(Box::new(create))
}

#[test]
fn rule_04_the_secret_comes_first_and_the_owner_tags_travel_in_the_create_call() {
    let making = || Outcome::rest("Working Creating", "Unknown");
    let stalled = |reason: &str| Outcome::rest(&format!("Stalled {reason}"), "Unknown");
    let waiting = |secret: SecretSeen| Seen { secret, ..nothing() };
    let tokenless = Connection { password: false, ..connection_of(None) };
    let open = applied().but(|scene| scene.spec = spec(json!({ "authentication": "None" })));
    check(vec![
        (
            "nothing there",
            decided(&applied(), &nothing()),
            making().doing(vec![Step::MakeCredentials { connection: connection_of(None) }]),
        ),
        (
            "the Secret is there",
            decided(&applied(), &waiting(secret("s1", connection_of(None)))),
            making().doing(vec![created(Some("s1"))]),
        ),
        ("a Secret that is not ours", decided(&applied(), &waiting(SecretSeen::NotOurs)), stalled("SecretNotOurs")),
        (
            "the Secret lost its token",
            decided(&applied(), &waiting(secret("s1", tokenless.clone()))),
            stalled("SecretIncomplete"),
        ),
        (
            "no authentication: a Secret without a token",
            decided(&open, &nothing()),
            making().doing(vec![Step::MakeCredentials { connection: tokenless.clone() }]),
        ),
        (
            "no authentication: no token is sent",
            decided(&open, &waiting(secret("s1", tokenless))),
            making().doing(vec![created(None)]),
        ),
        (
            "it has an endpoint: the Secret learns it",
            decided(&applied(), &Seen { secret: secret("s1", connection_of(None)), ..present() }),
            calm().doing(vec![Step::WriteConnection { secret_uid: "s1".into(), connection: complete() }]),
        ),
        ("there", decided(&applied(), &present()), calm()),
    ]);
    let decision = decided(&applied(), &present());
    assert_eq!(decision.facts.id, Some(format!("{ARN}@1790000000")));
    assert_eq!(
        decision.facts.applied.as_ref().and_then(|applied| applied.get(CREDENTIALS)).map(String::as_str),
        Some("s1")
    );
}

#[test]
fn rule_03_tags_that_cannot_be_read_mean_waiting() {
    let unread = || Outcome::rest("Working TagsUnreadable", "Unknown");
    let another = |mut seen: Seen| {
        if let Some(group) = &mut seen.group {
            group.created += 60;
        }
        seen
    };
    check(vec![
        ("the operator died after the create call: not known whose it is", decided(&applied(), &creating()), unread()),
        (
            "likewise, and the object is being deleted",
            decided(&applied().deleting(DeletionPolicy::Delete), &creating()),
            unread(),
        ),
        ("its tags are read: ours", decided(&applied(), &present()), calm()),
        ("one we know, in its nightly snapshot", decided(&settled(), &with_status("snapshotting")), calm()),
        ("another of its name, in its snapshot", decided(&settled(), &another(with_status("snapshotting"))), unread()),
        (
            "one whose creation failed: a human must act",
            decided(&applied(), &with_status("create-failed")),
            Outcome::rest("Stalled CreateFailed", "Unknown"),
        ),
    ]);
}

#[test]
fn what_a_call_puts_there_is_ours_before_it_is_seen_and_goes_when_it_leaves_the_spec() {
    let mut object = applied();
    object.spec.tags = map(&[("old", "y")]);
    let created = decided(&object, &Seen { secret: secret("s1", connection_of(None)), ..nothing() });
    let record = created.facts.applied.expect("it is recorded before the call is sent");
    assert_eq!(record.get("tags.old").map(String::as_str), Some(decision::BEING_SET));
    assert_eq!(record.get("credentials").map(String::as_str), Some("s1"), "the call carries this Secret's token");
    // The spec drops it before AWS has answered for the first time.
    let mut object = applied();
    object.status.applied = Some(record);
    let seen = Seen { tags: Some(tagged(KIND, &[("team", "core"), ("theirs", "kept"), ("old", "y")])), ..present() };
    let steps = decided(&object, &seen).steps;
    assert!(!steps.iter().any(|step| matches!(step, Step::SendToken { .. })), "the token was in the create call");
    let removed = steps.into_iter().find_map(|step| match step {
        Step::RemoveTags { keys, .. } => Some(keys),
        _ => None,
    });
    assert_eq!(removed, Some(["old".to_owned()].into()));
}

#[test]
fn rule_03_nothing_is_written_while_aws_does_not_answer_the_tags() {
    let changed = with(|group| group.snapshot_retention = 9);
    let untold = Seen { tags: None, ..changed.clone() };
    assert!(decided(&settled(), &changed).steps.iter().any(Step::at_aws));
    assert_eq!(decided(&settled(), &untold).steps, []);
    let removing = |policy| {
        let mut object = settled();
        object.presence = Presence::Absent(policy);
        decided(&object, &untold).steps
    };
    for policy in [DeletionPolicy::Delete, DeletionPolicy::Snapshot, DeletionPolicy::Retain] {
        assert!(!removing(policy).iter().any(Step::at_aws), "{policy:?}");
    }
}

#[test]
fn rule_01_an_unencrypted_cache_is_never_taken_over() {
    let naked = |tags: Option<BTreeMap<String, String>>| Seen { tags, ..with(|group| group.at_rest = false) };
    let no = |verdict: &str| Outcome::rest(verdict, "No NotAtRest");
    let naked_and_busy = Seen {
        tags: None,
        ..with(|group| {
            group.at_rest = false;
            group.status = "creating".into();
        })
    };
    check(vec![
        ("of nobody", decided(&applied(), &naked(Some(map(&[])))), no("Stalled NotOurs")),
        (
            "of another object",
            decided(&applied(), &naked(Some(tagged("ShowCoreCache/team/other", &[])))),
            no("Stalled Conflict"),
        ),
        ("with our tags", decided(&applied(), &naked(Some(tagged(KIND, &[])))), no("Stalled NotAtRest")),
        ("with our tags, known", decided(&settled(), &naked(Some(tagged(KIND, &[])))), no("Stalled NotAtRest")),
        ("not known whose", decided(&applied(), &naked_and_busy), no("Working TagsUnreadable")),
    ]);
    assert_eq!(decided(&applied(), &naked(Some(tagged(KIND, &[])))).facts.id, None, "it is not pinned either");
}

#[test]
fn rule_02_and_03_what_is_not_the_cache_we_made_is_left_untouched() {
    let new = |tags| Seen { tags: Some(tags), ..with(|group| group.created += 60) };
    let gone = || Seen { group: None, member: None, tags: None, ..present() };
    let stalled = |reason: &str| Outcome::rest(&format!("Stalled {reason}"), "Unknown");
    check(vec![
        ("nobody's", decided(&applied(), &with_tags(map(&[("team", "core")]))), stalled("NotOurs")),
        (
            "another object's",
            decided(&settled(), &with_tags(tagged("ShowCoreCache/team/other", &[]))),
            stalled("Conflict"),
        ),
        ("replaced by one with our tags", decided(&settled(), &new(tagged(KIND, &[]))), stalled("Replaced")),
        ("replaced by an untagged one", decided(&settled(), &new(map(&[]))), stalled("Replaced")),
        ("gone: first look", decided(&settled(), &gone()), Outcome::rest("Working NotFound", "Unknown")),
        ("gone: believed", decided(&settled().lost_for(60), &gone()), stalled("Missing")),
        (
            "our group, its owner tags gone: drift, put back",
            decided(&settled(), &with_tags(map(&[("team", "core")]))),
            calm()
                .doing(vec![Step::AddTags { arn: ARN.into(), tags: owner(KIND).tags() }])
                .drifted("tags.showcore.io/cluster", DriftAction::Pending)
                .drifted("tags.showcore.io/owner", DriftAction::Pending)
                .drifted("tags.showcore.io/uid", DriftAction::Pending),
        ),
    ]);
}

#[test]
fn rule_08_a_nightly_snapshot_changes_nothing_in_the_status() {
    let scene = settled();
    for status in ["available", "snapshotting"] {
        let decision = decided(&scene, &with_status(status));
        let later = conditions::status(&scene.status, &decision, 1, time("2026-11-26T03:10:00Z"));
        assert_eq!(later, scene.status, "{status}");
    }
}

#[test]
fn what_aws_does_not_answer_now_keeps_its_record_and_its_row() {
    let drifted = with_tags(tagged(KIND, &[("team", "web")]));
    let reported = settled().report();
    let told = reported.clone().told(&decided(&reported, &drifted));
    let row = || calm().drifted("tags.team", DriftAction::ReportOnly);
    let in_snapshot = decided(&told, &with_status("snapshotting"));
    let after = conditions::status(&told.status, &in_snapshot, 1, told.now);
    assert_eq!(after.last_drift, [], "a drift that cannot be seen is not corrected");
    let grown = |status: &str| Seen {
        tags: present().tags.filter(|_| status == "available"),
        ..with(|group| {
            group.status = status.into();
            group.members.push("shop-002".into());
        })
    };
    let replica = || calm().drifted("replicas", DriftAction::ReportOnly);
    let grew = reported.clone().told(&decided(&reported, &grown("modifying")));
    let memberless = Seen { member: None, ..with(|group| group.members.clear()) };
    let without_member = reported.clone().told(&decided(&reported, &memberless));
    let other_type = with(|group| group.node_type = "cache.t3.small".into());
    check(vec![
        ("tags drifted", decided(&told, &drifted), row()),
        ("tags drifted, in the nightly snapshot", in_snapshot, row()),
        ("a replica more, while it is made", decided(&reported, &grown("modifying")), replica().at_work()),
        ("a replica more, made", decided(&grew, &grown("available")), replica()),
        ("a replica more, and the members are not answered", decided(&grew, &memberless), replica().at_work()),
        (
            "the members were not answered, then a replica more",
            decided(&without_member, &grown("available")),
            replica(),
        ),
        (
            "the member was not answered, then another type",
            decided(&without_member, &other_type),
            calm().drifted("nodeType", DriftAction::ReportOnly),
        ),
    ]);
}

#[test]
fn every_status_means_what_the_table_says_and_only_available_takes_changes() {
    let table = [
        ("available", "Ready Available"),
        ("snapshotting", "Ready Available"),
        ("modifying", "Ready Available"),
        ("creating", "Working Creating"),
        ("deleting", "Working AWSAtWork"),
        ("create-failed", "Stalled CreateFailed"),
        ("never-heard-of", "Working UnknownStatus"),
    ];
    for (status, verdict) in table {
        let rest = Outcome::rest(verdict, "Yes AWSOwnedKey");
        let rest = if status == "modifying" { rest.at_work() } else { rest };
        check(vec![(status, decided(&settled(), &with_status(status)), rest)]);

        let drifted = Seen {
            tags: with_status(status).tags,
            ..with(|group| {
                group.status = status.into();
                group.snapshot_retention = 7;
            })
        };
        let decision = decided(&settled(), &drifted);
        assert_eq!(decision.steps.is_empty(), status != "available", "{status}");
        let waits = decision.working.as_ref().map(|why| why.reason);
        let serves_but_busy = verdict == "Ready Available" && status != "available";
        assert_eq!(waits, serves_but_busy.then_some("WaitingForAWS"), "{status}");
    }
    let half = with(|group| group.nodes_available = false);
    check(vec![(
        "available, but not every node",
        decided(&settled(), &half),
        Outcome::rest("Working AWSAtWork", "Yes AWSOwnedKey"),
    )]);
}

#[test]
fn a_lost_secret_is_made_again_and_its_token_rotated_in() {
    let new = |status: &str| Seen { secret: secret("s2", complete()), ..with_status(status) };
    let send = |strategy| Step::SendToken { secret_uid: "s2".into(), strategy };
    let having = |record: &str| {
        settled().but(|scene| {
            scene.status.applied.get_or_insert_default().insert(CREDENTIALS.into(), record.into());
        })
    };
    let retained = settled().but(|scene| scene.spec.deletion_policy = DeletionPolicy::Retain);
    let released = Connection { owned: false, ..complete() };
    let wanted_change = |mut scene: Object| {
        scene.spec.snapshot.retention_days = 3;
        scene
    };
    let open_spec = spec(json!({ "authentication": "None" }));
    let open_seen = |uid: &str| Seen {
        secret: secret(uid, Connection { password: false, ..complete() }),
        ..with(|group| group.auth_token = false)
    };
    let open = settled_as(open_spec, &open_seen("s1"));
    check(vec![
        (
            "lost",
            decided(&settled(), &Seen { secret: SecretSeen::Absent, ..present() }),
            calm().doing(vec![Step::MakeCredentials { connection: complete() }]),
        ),
        (
            "made again: beside the old token",
            decided(&settled(), &new("available")),
            calm().doing(vec![send(Strategy::Rotate)]),
        ),
        ("made again, while AWS is busy", decided(&settled(), &new("snapshotting")), calm()),
        (
            "rotated: instead of the old token",
            decided(&having("rotating:s2"), &new("available")),
            calm().doing(vec![send(Strategy::Set)]),
        ),
        ("rotated, while AWS is busy", decided(&having("rotating:s2"), &new("modifying")), calm().at_work()),
        (
            "lost again in between",
            decided(&having("rotating:s1"), &new("available")),
            calm().doing(vec![send(Strategy::Rotate)]),
        ),
        ("set", decided(&having("s2"), &new("available")), calm()),
        (
            "a token goes before every other change of the group",
            decided(&wanted_change(settled()), &new("available")),
            calm().doing(vec![send(Strategy::Rotate)]),
        ),
        ("no authentication: nothing is sent", decided(&open, &open_seen("s2")), calm()),
        (
            "not ours",
            decided(&settled(), &Seen { secret: SecretSeen::NotOurs, ..present() }),
            Outcome::rest("Stalled SecretNotOurs", "Yes AWSOwnedKey"),
        ),
        (
            "Retain: it will outlive the object",
            decided(&retained, &present()),
            calm().doing(vec![Step::WriteConnection { secret_uid: "s1".into(), connection: released }]),
        ),
        (
            "a restored backup: nobody knows what AWS has",
            decided(&settled().restored(), &present()),
            calm().doing(vec![Step::SendToken { secret_uid: "s1".into(), strategy: Strategy::Rotate }]),
        ),
    ]);
    let settles = |strategy| decision::Step::settles(&send(strategy)).map(|(_, value)| value);
    assert_eq!(settles(Strategy::Rotate).as_deref(), Some("rotating:s2"));
    assert_eq!(settles(Strategy::Set).as_deref(), Some("s2"));
}

#[test]
fn paused_nothing_is_written() {
    let seen = with(|group| group.snapshot_retention = 7);
    let back = modify(|changes| changes.snapshot_retention = Some(1));
    check(vec![(
        "drifted",
        decided(&settled(), &seen).paused(),
        Outcome { held: vec![back], ..calm() }
            .drifted("snapshot.retentionDays", DriftAction::ReportOnly)
            .pending("Paused"),
    )]);
}
