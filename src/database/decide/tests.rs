//! Situations of a database and the exact plan for each. The deletion is in [`removal`], the parameter group and TLS in
//! [`parameters`], the change of a spec, drift and windows in [`changes`].

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Changes, CreateInstance, Step, Volume, decide};
use crate::{
    conditions::{self, CREDENTIALS},
    connection::{Connection, SecretSeen},
    database::{Instance, ParameterGroup, Pending, Seen, ShowCoreDatabaseSpec},
    decision::{Decision, LookAgain, Verdict},
    spec::{DeletionPolicy, Disruption},
    status::{DriftAction, Status},
    testing::{Outcome, Scene, WINDOW, check, map, owner, tagged, time},
};

mod changes;
mod parameters;
mod removal;
mod storage;
mod upgrade;

const KIND: &str = "ShowCoreDatabase";
const ARN: &str = "arn:aws:rds:eu-central-1:111122223333:db:shop";
const HOST: &str = "shop.abc.eu-central-1.rds.amazonaws.com";
const KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/aws-rds";

type Object = Scene<ShowCoreDatabaseSpec>;

/// An object that was just applied.
fn applied() -> Object {
    Scene::new(KIND, "shop", spec(json!({})))
}

/// A spec that names every field, changed by these.
#[expect(clippy::needless_pass_by_value, reason = "the tables give literals")]
fn spec(changes: Value) -> ShowCoreDatabaseSpec {
    let mut spec = json!({
        "engineVersion": "16.4",
        "instanceClass": "db.t3.micro",
        "storage": { "sizeGiB": 20 },
        "databaseName": "shop",
        "credentials": { "username": "app" },
        "network": { "subnetGroupName": "Private", "securityGroupIDs": ["sg-0a0a0a0a", "sg-0b0b0b0b"] },
        "backup": { "retentionDays": 7, "window": "03:00-04:00" },
        "maintenance": { "window": WINDOW },
        "tags": { "team": "core" },
    });
    for (field, value) in changes.as_object().expect("fields") {
        spec[field] = value.clone();
    }
    serde_json::from_value(spec).expect("a spec")
}

fn instance() -> Instance {
    Instance {
        arn: ARN.into(),
        id: "db-A".into(),
        status: "available".into(),
        class: "db.t3.micro".into(),
        engine_version: "16.4".into(),
        storage_gib: 20,
        storage_type: "gp3".into(),
        iops: Some(3000),
        throughput: Some(125),
        auto_minor_upgrade: true,
        copy_tags: true,
        certificate: "rds-ca-rsa2048-g1".into(),
        engine: "postgres".into(),
        storage_encrypted: true,
        kms_key: Some(KEY.into()),
        publicly_accessible: false,
        endpoint: Some((HOST.into(), 5432)),
        backup_retention: 7,
        backup_window: "03:00-04:00".into(),
        maintenance_window: WINDOW.into(),
        deletion_protection: true,
        // A set: their order means nothing.
        security_groups: vec!["sg-0b0b0b0b".into(), "sg-0a0a0a0a".into()],
        subnet_group: Some("private".into()),
        parameter_group: "default.postgres16".into(),
        parameter_status: "in-sync".into(),
        master_username: "app".into(),
        db_name: Some("shop".into()),
        tags: tagged(KIND, &[("team", "core"), ("theirs", "kept")]),
        pending: Pending::default(),
        ..Instance::default()
    }
}

fn connection_of(endpoint: Option<(&str, i32)>) -> Connection {
    Connection {
        type_: "postgresql".into(),
        provider: "aws-rds".into(),
        host: endpoint.map(|(host, _)| host.into()),
        port: endpoint.map(|(_, port)| port),
        username: Some("app".into()),
        database: Some("shop".into()),
        owned: true,
        password: true,
        ca: "https://truststore.pki.rds.amazonaws.com/eu-central-1/eu-central-1-bundle.pem".into(),
    }
}

fn complete() -> Connection {
    connection_of(Some((HOST, 5432)))
}

fn secret(uid: &str, connection: Connection) -> SecretSeen {
    SecretSeen::Ours { uid: uid.into(), connection }
}

fn nothing() -> Seen {
    Seen {
        instance: None,
        used_parameters: None,
        own_group: None,
        former_group: None,
        secret: SecretSeen::Absent,
        final_snapshots: vec![],
    }
}

fn present() -> Seen {
    Seen { instance: Some(instance()), secret: secret("s1", complete()), ..nothing() }
}

fn with(change: impl FnOnce(&mut Instance)) -> Seen {
    let mut instance = instance();
    change(&mut instance);
    Seen { instance: Some(instance), ..present() }
}

fn with_status(status: &str) -> Seen {
    with(|instance| instance.status = status.into())
}

fn decided(scene: &Object, seen: &Seen) -> Decision<Step> {
    decide(&scene.wanted(), seen, scene.now)
}

/// An object whose database stands as its spec says, and that was told so.
fn settled() -> Object {
    settled_as(spec(json!({})), &present())
}

fn settled_as(spec: ShowCoreDatabaseSpec, seen: &Seen) -> Object {
    let scene = applied().but(|scene| scene.spec = spec);
    let decision = decided(&scene, seen);
    assert_eq!((&decision.steps, &decision.held), (&vec![], &vec![]), "the fixture is not settled");
    scene.told(&decision)
}

fn calm() -> Outcome<Step> {
    Outcome::rest("Ready Available", "Yes AWSManagedKey")
}

fn modify(changes: Changes) -> Step {
    Step::Modify(Box::new(changes))
}

fn created(parameter_group: Option<&str>) -> Step {
    Step::Create(Box::new(CreateInstance {
        engine_version: "16.4".into(),
        class: "db.t3.micro".into(),
        storage_gib: 20,
        max_storage_gib: None,
        storage_type: None,
        iops: None,
        throughput: None,
        multi_az: false,
        username: "app".into(),
        secret_uid: "s1".into(),
        database_name: Some("shop".into()),
        subnet_group: Some("Private".into()),
        security_groups: Some(vec!["sg-0a0a0a0a".into(), "sg-0b0b0b0b".into()]),
        parameter_group: parameter_group.map(str::to_owned),
        backup_retention: 7,
        backup_window: Some("03:00-04:00".into()),
        maintenance_window: Some(WINDOW.into()),
        deletion_protection: true,
        auto_minor_upgrade: true,
        log_exports: vec![],
        certificate: None,
        insights: None,
        tags: tagged(KIND, &[("team", "core")]),
    }))
}

#[test]
fn rule_04_the_secret_comes_first_and_the_owner_tags_travel_in_the_create_call() {
    let creating = || Outcome::rest("Working Creating", "Unknown");
    let stalled = |reason: &str| Outcome::rest(&format!("Stalled {reason}"), "Unknown");
    let waiting = |secret: SecretSeen| Seen { secret, ..nothing() };
    let no_password = Connection { password: false, ..connection_of(None) };
    check(vec![
        (
            "nothing there",
            decided(&applied(), &nothing()),
            creating().doing(vec![Step::MakeCredentials { connection: connection_of(None) }]),
        ),
        (
            "the Secret is there",
            decided(&applied(), &waiting(secret("s1", connection_of(None)))),
            creating().doing(vec![created(None)]),
        ),
        ("a Secret that is not ours", decided(&applied(), &waiting(SecretSeen::NotOurs)), stalled("SecretNotOurs")),
        (
            "the Secret lost its password",
            decided(&applied(), &waiting(secret("s1", no_password))),
            stalled("SecretIncomplete"),
        ),
        (
            "AWS is creating it: the first look, whose differences are no drift",
            decided(
                &applied(),
                &Seen {
                    secret: secret("s1", connection_of(None)),
                    ..with(|instance| {
                        instance.status = "creating".into();
                        instance.endpoint = None;
                        instance.backup_retention = 0;
                    })
                },
            ),
            Outcome::rest("Working Creating", "Yes AWSManagedKey"),
        ),
        (
            "it has an endpoint: the Secret learns it",
            decided(&applied(), &Seen { secret: secret("s1", connection_of(None)), ..present() }),
            calm().doing(vec![Step::WriteConnection { secret_uid: "s1".into(), connection: complete() }]),
        ),
        ("there", decided(&applied(), &present()), calm()),
    ]);
    let decision = decided(&applied(), &present());
    assert_eq!(decision.facts.id.as_deref(), Some("db-A"));
    assert_eq!(
        decision.facts.applied.as_ref().and_then(|applied| applied.get(CREDENTIALS)).map(String::as_str),
        Some("s1")
    );
}

#[test]
fn rule_01_an_unencrypted_database_is_never_taken_over() {
    let naked = |tags: BTreeMap<String, String>| {
        with(|instance| {
            instance.storage_encrypted = false;
            instance.tags = tags;
        })
    };
    let no = |verdict: &str| Outcome::rest(verdict, "No NotAtRest");
    let other = tagged("ShowCoreDatabase/team/other", &[]);
    check(vec![
        ("of nobody", decided(&applied(), &naked(map(&[]))), no("Stalled NotOurs")),
        ("of another object", decided(&applied(), &naked(other)), no("Stalled Conflict")),
        ("with our tags", decided(&applied(), &naked(tagged(KIND, &[]))), no("Stalled NotAtRest")),
        ("with our tags, and drifted", decided(&settled(), &naked(tagged(KIND, &[]))), no("Stalled NotAtRest")),
        (
            "with our tags, on a Sunday, under Immediate",
            decided(&settled().but(|scene| scene.spec.disruption = Disruption::Immediate), &naked(tagged(KIND, &[]))),
            no("Stalled NotAtRest"),
        ),
    ]);
    assert_eq!(decided(&applied(), &naked(tagged(KIND, &[]))).facts.id, None, "it is not pinned either");
}

#[test]
fn rule_02_and_03_what_is_not_the_database_we_made_is_left_untouched() {
    let tags = |tags: BTreeMap<String, String>| with(|instance| instance.tags = tags);
    let other = || tags(tagged("ShowCoreDatabase/team/other", &[]));
    let new = |tags: BTreeMap<String, String>| {
        with(|instance| {
            instance.id = "db-B".into();
            instance.tags = tags;
        })
    };
    let stalled = |reason: &str| Outcome::rest(&format!("Stalled {reason}"), "Unknown");
    let owner_tags = |keys: &[&str]| {
        owner(KIND).tags().into_iter().filter(|(key, _)| keys.is_empty() || keys.contains(&key.as_str())).collect()
    };
    let untagged = || map(&[("team", "core"), ("theirs", "kept")]);
    let put_back = |tags| vec![Step::AddTags { arn: ARN.into(), tags }];
    let all_three = |outcome: Outcome<Step>| {
        outcome
            .drifted("tags.showcore.io/cluster", DriftAction::Pending)
            .drifted("tags.showcore.io/owner", DriftAction::Pending)
            .drifted("tags.showcore.io/uid", DriftAction::Pending)
    };
    let one_gone = || {
        with(|instance| {
            instance.tags.remove("showcore.io/uid");
        })
    };
    check(vec![
        ("nobody's", decided(&applied(), &tags(untagged())), stalled("NotOurs")),
        ("another object's", decided(&applied(), &other()), stalled("Conflict")),
        ("our id with another object's tags", decided(&settled(), &other()), stalled("Conflict")),
        (
            "replaced by a restored one that kept our tags",
            decided(&settled(), &new(instance().tags)),
            stalled("Replaced"),
        ),
        ("replaced by an untagged one", decided(&settled(), &new(map(&[]))), stalled("Replaced")),
        (
            "gone: first look",
            decided(&settled(), &Seen { instance: None, ..present() }),
            Outcome::rest("Working NotFound", "Unknown"),
        ),
        ("gone: believed", decided(&settled().lost_for(60), &Seen { instance: None, ..present() }), stalled("Missing")),
        (
            "our id, its owner tags gone: drift, put back",
            decided(&settled(), &tags(untagged())),
            all_three(calm().doing(put_back(owner_tags(&[])))),
        ),
        (
            "our id, one owner tag gone",
            decided(&settled(), &one_gone()),
            calm()
                .doing(put_back(owner_tags(&["showcore.io/uid"])))
                .drifted("tags.showcore.io/uid", DriftAction::Pending),
        ),
    ]);
}

/// What AWS does while the instance serves and nobody waits for it.
const BACKGROUND: &[&str] =
    &["available", "backing-up", "storage-optimization", "storage-initialization", "storage-config-upgrade"];

#[test]
fn rule_08_background_work_changes_nothing_in_the_status() {
    let scene = settled();
    for status in BACKGROUND {
        let decision = decided(&scene, &with_status(status));
        let later = conditions::status(&scene.status, &decision, 1, time("2026-11-26T03:10:00Z"));
        assert_eq!(later, scene.status, "{status}");
        check(vec![(*status, decision, calm())]);
    }
}

/// The table of aws-facts: each status, and what it comes to.
const STATUSES: &[(&str, &str)] = &[
    ("available", "Ready Available"),
    ("backing-up", "Ready Available"),
    ("modifying", "Ready Available"),
    ("storage-optimization", "Ready Available"),
    ("storage-initialization", "Ready Available"),
    ("storage-config-upgrade", "Ready Available"),
    ("configuring-enhanced-monitoring", "Ready Available"),
    ("configuring-iam-database-auth", "Ready Available"),
    ("configuring-log-exports", "Ready Available"),
    ("configuring-associated-roles", "Ready Available"),
    ("resetting-master-credentials", "Ready Available"),
    ("creating", "Working Creating"),
    ("rebooting", "Working AWSAtWork"),
    ("renaming", "Working AWSAtWork"),
    ("starting", "Working AWSAtWork"),
    ("stopping", "Working AWSAtWork"),
    ("upgrading", "Working AWSAtWork"),
    ("maintenance", "Working AWSAtWork"),
    ("moving-to-vpc", "Working AWSAtWork"),
    ("deleting", "Working AWSAtWork"),
    ("delete-precheck", "Working AWSAtWork"),
    ("stopped", "Stalled Stopped"),
    ("failed", "Stalled Failed"),
    ("storage-full", "Stalled StorageFull"),
    ("insufficient-capacity", "Stalled InsufficientCapacity"),
    ("restore-error", "Stalled RestoreError"),
    ("inaccessible-encryption-credentials", "Stalled KeyNotAccessible"),
    ("inaccessible-encryption-credentials-recoverable", "Stalled KeyNotAccessible"),
    ("incompatible-network", "Stalled Incompatible"),
    ("incompatible-option-group", "Stalled Incompatible"),
    ("incompatible-parameters", "Stalled Incompatible"),
    ("incompatible-restore", "Stalled Incompatible"),
    ("never-heard-of", "Working UnknownStatus"),
];

#[test]
fn every_status_means_what_the_table_says_and_few_take_changes() {
    // An instance whose storage is being optimised, for hours, takes all changes but those of storage.
    let takes_changes = ["available", "storage-optimization"];
    for (status, verdict) in STATUSES {
        let quiet = decided(&settled(), &with_status(status));
        let rest = Outcome::rest(verdict, "Yes AWSManagedKey");
        let serves_at_work = *verdict == "Ready Available" && !BACKGROUND.contains(status);
        check(vec![(*status, quiet, if serves_at_work { rest.at_work() } else { rest })]);

        let drifted = with(|instance| {
            instance.status = (*status).into();
            instance.deletion_protection = false;
        });
        let decision = decided(&settled(), &drifted);
        assert_eq!(decision.steps.is_empty(), !takes_changes.contains(status), "{status}");
        let waits = decision.working.as_ref().map(|why| why.reason);
        let serves_but_busy = *verdict == "Ready Available" && !takes_changes.contains(status);
        assert_eq!(waits, serves_but_busy.then_some("WaitingForAWS"), "{status}");
        if verdict.starts_with("Stalled") {
            assert_eq!(decision.look_again, LookAgain::Slowly, "{status}");
        }
    }
}

#[test]
fn aws_at_work_on_a_change_is_said_while_the_store_serves() {
    let parameters = |status: &str| with(|instance| instance.parameter_status = status.into());
    let applying = decided(&settled(), &parameters("applying"));
    let message = applying.working.as_ref().map(|why| why.message.clone());
    assert_eq!(message.as_deref(), Some("the parameter group default.postgres16 is applying"));
    let modifying = decided(&settled(), &with_status("modifying"));
    assert_eq!(modifying.working.as_ref().map(|why| why.message.as_str()), Some("the instance is modifying"));
    let status = conditions::status(&settled().status, &modifying, 1, settled().now);
    let said = |type_: &str| status.conditions.iter().find(|c| c.type_ == type_).map(|c| c.status.as_str());
    assert_eq!((said("Ready"), said("Reconciling")), (Some("True"), Some("True")));
    let bigger = settled().but(|scene| scene.spec.instance_class = "db.t3.small".into());
    let disrupted = modify(Changes { class: Some("db.t3.small".into()), ..Changes::default() });
    let creating = with(|instance| {
        instance.status = "creating".into();
        instance.parameter_status = "applying".into();
    });
    check(vec![
        ("parameters are being applied", applying, calm().at_work()),
        ("parameters are in use", decided(&settled(), &parameters("in-sync")), calm()),
        (
            "at work on one change, and another waits for the window",
            decided(&bigger, &with_status("modifying")),
            calm().holding(vec![disrupted]).at_work(),
        ),
        (
            "not serving: said by Ready",
            decided(&settled(), &creating),
            Outcome::rest("Working Creating", "Yes AWSManagedKey"),
        ),
    ]);
}

#[test]
fn an_instance_whose_storage_is_being_optimised_takes_everything_but_storage() {
    let optimised = |deletion_protection: bool| {
        with(move |instance| {
            instance.status = "storage-optimization".into();
            instance.deletion_protection = deletion_protection;
        })
    };
    let bigger = settled().but(|scene| scene.spec.storage.size_gib = 40);
    let protect = modify(Changes { deletion_protection: Some(true), ..Changes::default() });
    let mended = decided(&settled(), &optimised(false));
    assert_eq!((mended.steps, mended.working), (vec![protect.clone()], None));
    let waits = decided(&bigger, &optimised(true));
    assert_eq!((waits.steps, waits.working.map(|why| why.reason)), (vec![], Some("WaitingForAWS")));
    let both = decided(&bigger, &optimised(false));
    assert_eq!((both.steps, both.working.map(|why| why.reason)), (vec![protect], Some("WaitingForAWS")));
}

#[test]
fn a_full_instance_takes_more_storage_and_nothing_else() {
    let full = with(|instance| {
        instance.status = "storage-full".into();
        instance.backup_retention = 1;
    });
    let bigger = settled().but(|scene| {
        scene.spec.storage.size_gib = 40;
        scene.spec.instance_class = "db.t3.small".into();
        scene.spec.disruption = Disruption::Immediate;
    });
    let stalled = || {
        Outcome::rest("Stalled StorageFull", "Yes AWSManagedKey").drifted("backup.retentionDays", DriftAction::Pending)
    };
    check(vec![
        (
            "more is asked",
            decided(&bigger, &full),
            stalled().doing(vec![modify(Changes {
                volume: Volume { gib: Some(40), ..Volume::default() },
                ..Changes::default()
            })]),
        ),
        ("nothing more is asked", decided(&settled(), &full), stalled()),
    ]);
}

#[test]
fn a_lost_secret_is_made_again_and_its_password_sent() {
    let lost = || Seen { secret: SecretSeen::Absent, ..present() };
    let new = || Seen { secret: secret("s2", complete()), ..present() };
    let busy = || Seen { secret: secret("s2", complete()), ..with_status("backing-up") };
    let send = || Step::SendPassword { secret_uid: "s2".into() };
    let done = settled().but(|scene| {
        scene.status.applied.get_or_insert_default().insert(CREDENTIALS.into(), "s2".into());
    });
    let lost_before_the_first_look = applied().but(|scene| {
        let decision = decided(scene, &lost());
        *scene = scene.clone().told(&decision);
    });
    let retained = settled().but(|scene| scene.spec.deletion_policy = DeletionPolicy::Retain);
    let owned_no_more = Connection { owned: false, ..complete() };
    check(vec![
        ("lost", decided(&settled(), &lost()), calm().doing(vec![Step::MakeCredentials { connection: complete() }])),
        ("made again", decided(&settled(), &new()), calm().doing(vec![send()])),
        ("made again, while AWS is busy", decided(&settled(), &busy()), calm()),
        ("sent", decided(&done, &new()), calm()),
        (
            "lost before the first look: AWS has another password",
            decided(&lost_before_the_first_look, &new()),
            calm().doing(vec![send()]),
        ),
        (
            "a restored backup: nobody knows what AWS has",
            decided(&settled().restored(), &present()),
            calm().doing(vec![Step::SendPassword { secret_uid: "s1".into() }]),
        ),
        (
            "not ours",
            decided(&settled(), &Seen { secret: SecretSeen::NotOurs, ..present() }),
            Outcome::rest("Stalled SecretNotOurs", "Yes AWSManagedKey"),
        ),
        (
            "its host was changed",
            decided(&settled(), &Seen { secret: secret("s1", connection_of(Some(("evil", 5432)))), ..present() }),
            calm().doing(vec![Step::WriteConnection { secret_uid: "s1".into(), connection: complete() }]),
        ),
        (
            "Retain: it will outlive the object",
            decided(&retained, &present()),
            calm().doing(vec![Step::WriteConnection { secret_uid: "s1".into(), connection: owned_no_more }]),
        ),
    ]);
}

#[test]
fn without_a_record_every_difference_is_drift() {
    let seen = || with(|instance| instance.backup_retention = 1);
    let step = || modify(Changes { backup_retention: Some(7), ..Changes::default() });
    let send = || Step::SendPassword { secret_uid: "s1".into() };
    let row = "backup.retentionDays";
    check(vec![
        (
            "a restored backup",
            decided(&settled().restored(), &seen()),
            calm().doing(vec![send(), step()]).drifted(row, DriftAction::Pending),
        ),
        (
            "a restored backup, Report",
            decided(&settled().restored().report(), &seen()),
            calm().doing(vec![send()]).drifted(row, DriftAction::ReportOnly),
        ),
        ("the first look", decided(&applied().report(), &seen()), calm().doing(vec![step()])),
    ]);
    assert_eq!(*Status::none(), settled().restored().status);
}

#[test]
fn paused_nothing_is_written() {
    let seen = with(|instance| {
        instance.deletion_protection = false;
        instance.class = "db.t3.large".into();
    });
    let protect = modify(Changes { deletion_protection: Some(true), ..Changes::default() });
    let class = modify(Changes { class: Some("db.t3.micro".into()), ..Changes::default() });
    check(vec![
        (
            "drifted",
            decided(&settled(), &seen).paused(),
            Outcome { held: vec![protect, class], ..calm() }
                .drifted("instanceClass", DriftAction::ReportOnly)
                .drifted("deletionProtection", DriftAction::ReportOnly)
                .pending("Paused"),
        ),
        (
            "not made yet",
            decided(&applied(), &Seen { secret: secret("s1", connection_of(None)), ..nothing() }).paused(),
            Outcome {
                held: vec![created(None)],
                look_again: LookAgain::Poll,
                ..Outcome::rest("Working Paused", "Unknown")
            }
            .pending("Paused"),
        ),
    ]);
}
