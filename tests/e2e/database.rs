//! `ShowCoreDatabase`, end to end.

use std::time::Duration;

use harness::Test;

use crate::look::{
    self, accepted_secret, advance_to_sunday, assert_drift, calls, condition, drift, last_drift, message, mutations,
    reason, rule_07, secret, settled, tamper, three_looks, told, version,
};

mod calls;
mod deletion;
mod drift;
mod upgrade;

const KIND: &str = "ShowCoreDatabase";
const REGION: &str = "eu-central-1";

fn manifest(name: &str, spec: &str) -> String {
    look::manifest(KIND, name, spec)
}

/// A test with a database that is Ready, past its first backup.
async fn ready(name: &str, spec: &str) -> Test {
    let test = look::ready(KIND, name, spec).await;
    test.advance(Duration::from_mins(10));
    while describe(&test, name).await["DBInstanceStatus"] != "available" {}
    test
}

async fn assert_gone(test: &Test, name: &str) {
    let question = ["rds", "describe-db-instances", "--db-instance-identifier", name];
    look::assert_gone(test, &question, "DBInstanceNotFound").await;
}

/// A spec that says everything that can be said of a database's settings.
const EVERY_FIELD: &str =
    "engineVersion: '16.4', storage: {sizeGiB: 500, maxSizeGiB: 1000, type: gp3, iops: 12000, throughput: 500},
    availability: MultiAZ, maintenance: {window: 'sun:05:00-sun:06:00', autoMinorVersionUpgrade: false},
    backup: {window: '01:00-02:00', retentionDays: 14}, logExports: [postgresql, upgrade],
    performanceInsights: {enabled: true, retentionDays: 31}, caCertificateIdentifier: rds-ca-ecc384-g1,
    parameters: {log_min_duration_statement: '500'}";

fn status(test: &Test, name: &str) -> Option<String> {
    test.account.rds().status(REGION, name)
}

async fn describe(test: &Test, name: &str) -> serde_json::Value {
    test.aws(&["rds", "describe-db-instances", "--db-instance-identifier", name]).await["DBInstances"][0].clone()
}

#[tokio::test]
async fn a_database_is_created_encrypted_private_and_owned_with_its_password_in_a_secret() {
    let test = ready("created", "databaseName: shop, credentials: {username: app}, tags: {team: core}").await;
    let object = test.get(KIND, "created").await.unwrap();
    let instance = describe(&test, "created").await;
    assert_eq!(instance["StorageEncrypted"], true);
    assert_eq!(instance["PubliclyAccessible"], false);
    assert!(instance["KmsKeyId"].as_str().unwrap().starts_with("arn:aws:kms:"));
    assert_eq!(instance["CopyTagsToSnapshot"], true);
    let tags = instance["TagList"].to_string();
    assert!(tags.contains(&format!("{KIND}/{}/created", test.namespace)) && tags.contains("core"), "{tags}");
    assert_eq!(object["status"]["encryption"]["atRest"]["keyManagement"], "AWSManagedKey");
    assert_eq!(object["status"]["encryption"]["atRest"]["keyARN"], instance["KmsKeyId"]);
    assert_eq!(object["status"]["encryption"]["inTransit"]["enforced"], true);
    assert_eq!(condition(&object, "Encrypted"), Some("True"));
    // AWS's immutable id is pinned in metadata, which a backup keeps.
    let pin = object["metadata"]["annotations"]["showcore.io/resource"].as_str().unwrap();
    assert!(pin.contains(instance["DbiResourceId"].as_str().unwrap()), "{pin}");
    // The Secret, by the Service Binding specification.
    let bound = test.get("Secret", "created-connection").await.unwrap();
    let entry = |key: &str| secret(&bound, key).unwrap_or_else(|| panic!("no {key}"));
    assert_eq!(
        (entry("type"), entry("provider"), entry("username"), entry("database")),
        ("postgresql".into(), "aws-rds".into(), "app".into(), "shop".into())
    );
    assert_eq!(entry("host"), instance["Endpoint"]["Address"].as_str().unwrap());
    assert_eq!(entry("port"), "5432");
    assert!(
        entry("uri").starts_with(&format!("postgresql://app:{}@", entry("password")))
            && entry("uri").ends_with("sslmode=verify-full")
    );
    assert_eq!(bound["metadata"]["ownerReferences"][0]["uid"], object["metadata"]["uid"]);
    let digest = aws_sim::log::digest(&entry("password"));
    assert_eq!(accepted_secret(&test, "created"), Some(digest));
    assert_eq!(object["status"]["binding"]["name"], "created-connection");
    assert_eq!(object["status"]["endpoint"]["host"], entry("host"));
    // Owned and encrypted from the first moment.
    let requests = test.account.requests();
    let create = requests.iter().find(|request| request.operation == "CreateDBInstance").unwrap();
    assert!(create.parameters["Tags"].to_string().contains("showcore.io/uid"));
    assert_eq!(create.parameters["StorageEncrypted"], true);
}

#[tokio::test]
async fn rule_07_the_password_is_nowhere_but_in_its_secret() {
    let test = ready("hushed", "").await;
    let bound = test.get("Secret", "hushed-connection").await.unwrap();
    let password = secret(&bound, "password").unwrap();
    rule_07(&test, &password).await;
}

#[tokio::test]
async fn kubectl_waits_for_ready_and_its_columns_tell_the_story() {
    let test = ready("columns", "").await;
    let waited = test.kubectl.run(&["wait", "--for=condition=Ready", "scdb/columns", "--timeout=10s"]).await.unwrap();
    assert!(waited.success(), "{waited}");
    let listed = test.kubectl.run(&["get", "showcore"]).await.unwrap().stdout;
    let lines: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    let header = lines.iter().find(|line| line.first() == Some(&"NAME")).unwrap();
    assert_eq!(header[..6], ["NAME", "READY", "ENCRYPTED", "DRIFTED", "ID", "REASON"]);
    let row = lines.iter().find(|line| line[0].ends_with("columns")).unwrap();
    assert_eq!(row[1..6], ["True", "AWSManagedKey", "False", "columns", "Available"]);
}

#[tokio::test]
async fn a_calm_change_is_sent_at_once_and_is_no_drift() {
    let test = ready("calm", "storage: {sizeGiB: 20}, tags: {old: x}").await;
    test.apply(&manifest("calm", "storage: {sizeGiB: 30}, backup: {retentionDays: 14}, tags: {new: fresh}")).await;
    test.settle(KIND, "calm", "in sync", |object| object["metadata"]["generation"] == 2 && settled(object)).await;
    test.advance(Duration::from_hours(1));
    let instance = describe(&test, "calm").await;
    assert_eq!((&instance["AllocatedStorage"], &instance["BackupRetentionPeriod"]), (&30.into(), &14.into()));
    let tags = instance["TagList"].to_string();
    assert!(tags.contains("new") && !tags.contains("old"), "{tags}");
    let object = test.get(KIND, "calm").await.unwrap();
    assert_eq!(object["status"]["lastDrift"], serde_json::Value::Null);
}

#[tokio::test]
async fn a_class_change_waits_for_its_window_in_pending_and_happens_inside_it() {
    let test = ready("windowed", "maintenance: {window: 'sun:05:00-sun:06:00'}, backup: {window: '01:00-02:00'}").await;
    test.account.clear_requests();
    test.apply(&manifest(
        "windowed",
        "instanceClass: db.t3.small, maintenance: {window: 'sun:05:00-sun:06:00'}, backup: {window: '01:00-02:00'}",
    ))
    .await;
    let object = test
        .wait(KIND, "windowed", "AwaitingWindow", |object| reason(object, "Pending") == Some("AwaitingWindow"))
        .await;
    assert!(
        message(&object, "Pending").contains("sun:05:00-sun:06:00")
            && message(&object, "Pending").contains("db.t3.small")
    );
    assert_eq!(condition(&object, "Ready"), Some("True"));
    assert_eq!(condition(&object, "Drifted"), Some("False"), "a wanted change is no drift");
    let step = &object["status"]["plan"]["steps"][0];
    assert_eq!((&step["call"], &step["disruption"]), (&"rds:ModifyDBInstance".into(), &"Downtime".into()));
    assert_eq!(mutations(&test), Vec::<String>::new());
    advance_to_sunday(&test, 4, 50);
    three_looks(&test, "DescribeDBInstances").await;
    assert_eq!(mutations(&test), Vec::<String>::new(), "ten minutes before the window");
    advance_to_sunday(&test, 5, 0);
    test.until("the modification", |test| calls(test, "ModifyDBInstance") == 1).await;
    test.settle(KIND, "windowed", "the new class", |object| settled(object) && condition(object, "Pending").is_none())
        .await;
    test.advance(Duration::from_mins(15));
    assert_eq!(describe(&test, "windowed").await["DBInstanceClass"], "db.t3.small");
}

#[tokio::test]
async fn a_class_change_under_immediate_is_sent_at_once() {
    let test = ready("immediate", "").await;
    test.apply(&manifest("immediate", "instanceClass: db.t3.small, disruption: Immediate")).await;
    test.settle(KIND, "immediate", "in sync", |object| object["metadata"]["generation"] == 2 && settled(object)).await;
    test.advance(Duration::from_mins(15));
    assert_eq!(describe(&test, "immediate").await["DBInstanceClass"], "db.t3.small");
}

#[tokio::test]
async fn a_nightly_backup_and_a_storage_optimisation_change_nothing() {
    let test = ready("nightly", "").await;
    let before = test.get(KIND, "nightly").await.unwrap();
    for work in ["backup", "optimisation"] {
        {
            let mut rds = test.account.rds();
            if work == "backup" {
                rds.start_backup(REGION, "nightly");
            } else {
                rds.start_storage_optimization(REGION, "nightly");
            }
        }
        assert_ne!(status(&test, "nightly").as_deref(), Some("available"));
        test.account.clear_requests();
        test.until("five looks", |test| calls(test, "DescribeDBInstances") >= 5).await;
        let during = test.get(KIND, "nightly").await.unwrap();
        assert_eq!(condition(&during, "Ready"), Some("True"), "{work}");
        assert_eq!(version(&before), version(&during), "{work}");
        assert_eq!(mutations(&test), Vec::<String>::new(), "{work}");
        test.advance(Duration::from_hours(12));
    }
    assert_eq!(mutations(&test), Vec::<String>::new());
}

#[tokio::test]
async fn drift_is_reported_with_field_desired_observed_and_since_then_corrected() {
    let mut test = ready("drifted", "backup: {retentionDays: 7}, tags: {team: core}").await;
    let arn = describe(&test, "drifted").await["DBInstanceArn"].as_str().unwrap().to_owned();
    let code = format!(
        "rds = client('rds')
rds.remove_tags_from_resource(ResourceName='{arn}', TagKeys=['team', 'showcore.io/owner'])
rds.add_tags_to_resource(ResourceName='{arn}', Tags=[{{'Key': 'theirs', 'Value': '1'}}])
rds.modify_db_instance(DBInstanceIdentifier='drifted', DeletionProtection=False, BackupRetentionPeriod=3, PubliclyAccessible=True, ApplyImmediately=True)"
    );
    tamper(&mut test, &code, &[("rds", "ModifyDBInstance"), ("rds", "AddTagsToResource")]).await;
    let object = test
        .settle(KIND, "drifted", "Drifted", |object| {
            drift(object, "tags.team").is_some() && drift(object, "publiclyAccessible").is_some()
        })
        .await;
    assert_drift(&object, "deletionProtection", "on", "off");
    assert_drift(&object, "backup.retentionDays", "7", "3");
    assert_drift(&object, "publiclyAccessible", "false", "true");
    assert_drift(&object, "tags.team", "'core'", "absent");
    test.account.clear_faults();
    let object = test.settle(KIND, "drifted", "corrected", settled).await;
    for field in
        ["deletionProtection", "backup.retentionDays", "publiclyAccessible", "tags.team", "tags.showcore.io/owner"]
    {
        assert!(last_drift(&object, field).is_some(), "{field} is not in lastDrift");
    }
    test.advance(Duration::from_mins(15));
    let instance = describe(&test, "drifted").await;
    assert_eq!(
        (&instance["DeletionProtection"], &instance["BackupRetentionPeriod"], &instance["PubliclyAccessible"]),
        (&true.into(), &7.into(), &false.into())
    );
    let tags = instance["TagList"].to_string();
    assert!(tags.contains("theirs") && tags.contains("core") && tags.contains(&test.namespace), "{tags}");
    told(&test, "DriftCorrected", &["deletionProtection", "backup.retentionDays", "publiclyAccessible", "tags.team"])
        .await;
}

#[tokio::test]
async fn a_policy_of_report_reports_and_leaves_all_but_security_alone() {
    let mut test = ready("reported", "driftPolicy: Report").await;
    tamper(&mut test, "client('rds').modify_db_instance(DBInstanceIdentifier='reported', DeletionProtection=False, PubliclyAccessible=True, ApplyImmediately=True)", &[]).await;
    let object = test
        .settle(KIND, "reported", "one corrected, one reported", |object| {
            last_drift(object, "publiclyAccessible").is_some() && drift(object, "deletionProtection").is_some()
        })
        .await;
    assert_eq!(drift(&object, "deletionProtection").unwrap()["action"], "ReportOnly");
    let instance = describe(&test, "reported").await;
    assert_eq!((&instance["DeletionProtection"], &instance["PubliclyAccessible"]), (&false.into(), &false.into()));
}

#[tokio::test]
async fn parameters_get_a_group_of_their_own_and_a_group_without_tls_is_drift() {
    let test = ready("tuned", "parameters: {log_min_duration_statement: '500'}, disruption: Immediate").await;
    let instance = describe(&test, "tuned").await;
    assert_eq!(instance["DBParameterGroups"][0]["DBParameterGroupName"], "tuned-postgres16");
    test.aws(&[
        "rds",
        "modify-db-parameter-group",
        "--db-parameter-group-name",
        "tuned-postgres16",
        "--parameters",
        "ParameterName=rds.force_ssl,ParameterValue=0,ApplyMethod=immediate",
        "ParameterName=log_min_duration_statement,ParameterValue=9,ApplyMethod=immediate",
    ])
    .await;
    let object = test
        .settle(KIND, "tuned", "both corrected", |object| {
            settled(object)
                && last_drift(object, "parameters.rds.force_ssl").is_some()
                && last_drift(object, "parameters.log_min_duration_statement").is_some()
        })
        .await;
    let row = last_drift(&object, "parameters.rds.force_ssl").unwrap();
    assert_eq!((&row["desired"], &row["observed"]), (&"1".into(), &"0 in the parameter group tuned-postgres16".into()));
    let set = test
        .aws(&["rds", "describe-db-parameters", "--db-parameter-group-name", "tuned-postgres16", "--source", "user"])
        .await
        .to_string();
    assert!(set.contains("500"), "{set}");
}

#[tokio::test]
async fn a_lost_secret_gets_a_new_password_which_is_sent_to_aws() {
    let test = ready("lost", "").await;
    let before = accepted_secret(&test, "lost").unwrap();
    test.delete("Secret", "lost-connection").await;
    test.settle(KIND, "lost", "the new password with AWS", |_| {
        accepted_secret(&test, "lost").is_some_and(|now| now != before)
    })
    .await;
    let bound = test.get("Secret", "lost-connection").await.unwrap();
    let digest = aws_sim::log::digest(&secret(&bound, "password").unwrap());
    assert_eq!(accepted_secret(&test, "lost"), Some(digest));
    test.settle(KIND, "lost", "in sync", settled).await;
    told(&test, "CredentialsReplaced", &["restart what still uses the old one"]).await;
    // Sent once, and not again by later looks.
    test.account.clear_requests();
    test.until("three looks", |test| calls(test, "DescribeDBInstances") >= 3).await;
    assert_eq!(mutations(&test), Vec::<String>::new());
}

#[tokio::test]
async fn a_secret_of_that_name_that_we_did_not_make_is_never_overwritten() {
    let mut test = Test::start("squatted").await.unwrap();
    test.apply("{apiVersion: v1, kind: Secret, metadata: {name: squatted-connection}, stringData: {password: theirs}}")
        .await;
    test.start_operator().await.unwrap();
    test.apply(&manifest("squatted", "")).await;
    test.wait(KIND, "squatted", "SecretNotOurs", |object| reason(object, "Stalled") == Some("SecretNotOurs")).await;
    assert_eq!(
        secret(&test.get("Secret", "squatted-connection").await.unwrap(), "password").as_deref(),
        Some("theirs")
    );
    assert_eq!(calls(&test, "CreateDBInstance"), 0);
}

#[tokio::test]
async fn rule_03_an_unencrypted_database_of_that_name_is_never_taken_over() {
    let mut test = Test::start("naked").await.unwrap();
    test.account.rds().add_unencrypted(test.account_id(), REGION, "naked");
    test.start_operator().await.unwrap();
    test.apply(&manifest("naked", "")).await;
    let object = test.wait(KIND, "naked", "NotOurs", |object| reason(object, "Stalled") == Some("NotOurs")).await;
    assert_eq!((condition(&object, "Ready"), condition(&object, "Encrypted")), (Some("False"), Some("False")));
    assert!(message(&object, "Encrypted").contains("never taken over"));
    three_looks(&test, "DescribeDBInstances").await;
    assert_eq!(mutations(&test), Vec::<String>::new());
    test.delete(KIND, "naked").await;
    test.wait_gone(KIND, "naked").await;
    assert_eq!(mutations(&test), Vec::<String>::new());
    assert_eq!(status(&test, "naked").as_deref(), Some("available"));
}

#[tokio::test]
async fn rule_03_a_database_that_is_not_ours_is_left_untouched() {
    let mut test = Test::start("theirs").await.unwrap();
    test.aws(&[
        "rds",
        "create-db-instance",
        "--db-instance-identifier",
        "theirs",
        "--engine",
        "postgres",
        "--db-instance-class",
        "db.t3.micro",
        "--allocated-storage",
        "20",
        "--master-username",
        "app",
        "--master-user-password",
        "a-long-password",
        "--storage-encrypted",
    ])
    .await;
    test.start_operator().await.unwrap();
    test.apply(&manifest("theirs", "")).await;
    test.settle(KIND, "theirs", "NotOurs", |object| reason(object, "Stalled") == Some("NotOurs")).await;
    three_looks(&test, "DescribeDBInstances").await;
    assert_eq!(mutations(&test), Vec::<String>::new());
}

#[tokio::test]
async fn rule_02_a_database_that_vanished_is_missing_and_not_made_again() {
    let test = ready("vanished", "").await;
    test.account.rds().drop_instance(REGION, "vanished");
    let object =
        test.wait(KIND, "vanished", "a second look", |object| reason(object, "Ready") == Some("NotFound")).await;
    assert!(condition(&object, "Stalled").is_none(), "believed before the grace period");
    test.settle(KIND, "vanished", "Missing", |object| reason(object, "Stalled") == Some("Missing")).await;
    assert_eq!(calls(&test, "CreateDBInstance"), 1);
}

#[tokio::test]
async fn a_human_must_act_on_full_storage_and_the_message_says_how() {
    let test = ready("full", "").await;
    test.account.rds().set_status(REGION, "full", "storage-full");
    let object =
        test.wait(KIND, "full", "StorageFull", |object| reason(object, "Stalled") == Some("StorageFull")).await;
    assert!(message(&object, "Stalled").contains("raise spec.storage.sizeGiB"));
    assert_eq!(condition(&object, "Ready"), Some("False"));
    test.account.rds().set_status(REGION, "full", "available");
    test.settle(KIND, "full", "Ready again", settled).await;
}
