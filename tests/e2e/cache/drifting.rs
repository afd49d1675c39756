//! Drift in company: while AWS is busy, in two fields at once, undone by its author, and of the group's identity.

use super::*;

const WINDOWS: &str =
    "maintenance: {window: 'sun:05:00-sun:06:00'}, snapshot: {window: '01:00-02:00', retentionDays: 1}";

fn modify(name: &str, what: &str) -> String {
    format!(
        "client('elasticache').modify_replication_group(ReplicationGroupId='{name}', {what}, ApplyImmediately=True)"
    )
}

fn waiting(object: &Value, status: &str) -> bool {
    reason(object, "Reconciling") == Some("WaitingForAWS") && message(object, "Reconciling").contains(status)
}

#[tokio::test]
async fn drift_while_aws_is_busy_waits_and_says_so() {
    let mut test = ready("busy", WINDOWS).await;
    test.stop_operator().await.unwrap();
    test.boto3(&modify("busy", "SnapshotRetentionLimit=5")).await;
    let now = test.account.now();
    test.account.elasticache().start_nightly_snapshot(REGION, "busy", now, Duration::from_mins(10)).unwrap();
    test.account.clear_requests();
    test.start_operator().await.unwrap();
    let object = test.wait(KIND, "busy", "WaitingForAWS", |object| waiting(object, "snapshotting")).await;
    assert_drift(&object, "snapshot.retentionDays", "1", "5");
    assert_eq!(condition(&object, "Ready"), Some("True"));
    three_looks(&test, "DescribeReplicationGroups").await;
    assert_eq!(mutations(&test), Vec::<String>::new());
    test.settle(KIND, "busy", "corrected", settled).await;
    // A change that AWS is still making, with another one beside it that can be seen already.
    let found = |object: &Value| waiting(object, "modifying") && drift(object, "snapshot.retentionDays").is_some();
    test.stop_operator().await.unwrap();
    test.boto3(&modify("busy", "SnapshotRetentionLimit=7, SecurityGroupIds=['sg-0a0a0a0a']")).await;
    test.account.clear_requests();
    test.start_operator().await.unwrap();
    test.wait(KIND, "busy", "WaitingForAWS", found).await;
    three_looks(&test, "DescribeReplicationGroups").await;
    assert_eq!(mutations(&test), Vec::<String>::new());
    test.settle(KIND, "busy", "corrected", settled).await;
    assert_eq!(group(&test, "busy").await["SnapshotRetentionLimit"], 1);
}

#[tokio::test]
async fn drift_in_two_fields_is_told_together_and_each_is_corrected_in_its_own_time() {
    let mut test = ready("twice", WINDOWS).await;
    test.stop_operator().await.unwrap();
    test.boto3(&modify("twice", "SnapshotRetentionLimit=5, CacheNodeType='cache.t3.small'")).await;
    test.advance(Duration::from_mins(10));
    fail(&test, "elasticache", "ModifyReplicationGroup", "InternalError", 500);
    test.start_operator().await.unwrap();
    let both =
        |object: &Value| drift(object, "nodeType").is_some() && drift(object, "snapshot.retentionDays").is_some();
    let object = test.wait(KIND, "twice", "two rows", both).await;
    assert_eq!(drift(&object, "snapshot.retentionDays").unwrap()["action"], "Pending");
    assert_eq!(drift(&object, "nodeType").unwrap()["action"], "AwaitingWindow");
    test.account.clear_faults();
    let one_left =
        |object: &Value| last_drift(object, "snapshot.retentionDays").is_some() && drift(object, "nodeType").is_some();
    test.wait(KIND, "twice", "the calm one corrected", one_left).await;
    assert_eq!(group(&test, "twice").await["CacheNodeType"], "cache.t3.small", "the other one waits");
    advance_to_sunday(&test, 5, 1);
    test.settle(KIND, "twice", "both corrected", |object| settled(object) && last_drift(object, "nodeType").is_some())
        .await;
    assert_eq!(group(&test, "twice").await["CacheNodeType"], "cache.t3.micro");
}

#[tokio::test]
async fn drift_undone_by_its_author_before_the_window_is_history_and_nothing_was_sent() {
    let test = ready("undone", WINDOWS).await;
    test.account.clear_requests();
    test.boto3(&modify("undone", "CacheNodeType='cache.t3.small'")).await;
    let awaits = |object: &Value| drift(object, "nodeType").is_some_and(|row| row["action"] == "AwaitingWindow");
    test.settle(KIND, "undone", "AwaitingWindow", awaits).await;
    test.advance(Duration::from_mins(10));
    test.boto3(&modify("undone", "CacheNodeType='cache.t3.micro'")).await;
    let gone = |object: &Value| settled(object) && last_drift(object, "nodeType").is_some();
    let object = test.settle(KIND, "undone", "history", gone).await;
    let past = last_drift(&object, "nodeType").unwrap();
    assert_eq!((&past["desired"], &past["observed"]), (&"cache.t3.micro".into(), &"cache.t3.small".into()));
    advance_to_sunday(&test, 5, 1);
    three_looks(&test, "DescribeReplicationGroups").await;
    assert_eq!(mutations(&test), Vec::<String>::new());
}

#[tokio::test]
async fn a_group_replaced_by_another_of_its_name_is_not_taken_for_ours() {
    let test = ready("replaced", "").await;
    assert!(test.account.elasticache().drop_group(REGION, "replaced"));
    test.advance(Duration::from_mins(1));
    test.boto3(
        "client('elasticache').create_replication_group(ReplicationGroupId='replaced', ReplicationGroupDescription='another',
  CacheNodeType='cache.t3.micro', NumNodeGroups=1, ReplicasPerNodeGroup=0, Engine='redis',
  AtRestEncryptionEnabled=True, TransitEncryptionEnabled=True)",
    )
    .await;
    test.account.clear_requests();
    let replaced = |object: &Value| reason(object, "Stalled") == Some("Replaced");
    let object = test.settle(KIND, "replaced", "Replaced", replaced).await;
    assert_eq!(condition(&object, "Ready"), Some("False"));
    three_looks(&test, "DescribeReplicationGroups").await;
    test.delete(KIND, "replaced").await;
    test.settle_gone(KIND, "replaced").await;
    assert_eq!(mutations(&test), Vec::<String>::new(), "neither written to nor deleted");
    assert_eq!(group(&test, "replaced").await["Description"], "another");
}

#[tokio::test]
async fn an_owner_tag_that_is_removed_is_put_back_and_a_forged_one_is_respected() {
    let mut test = ready("tagged", "").await;
    let arn = group(&test, "tagged").await["ARN"].as_str().unwrap().to_owned();
    let code =
        format!("client('elasticache').remove_tags_from_resource(ResourceName='{arn}', TagKeys=['showcore.io/owner'])");
    tamper(&mut test, &code, &[("elasticache", "AddTagsToResource")]).await;
    let field = "tags.showcore.io/owner";
    let object = test.wait(KIND, "tagged", "Drifted", |object| drift(object, field).is_some()).await;
    let owner = format!("'{KIND}/{}/tagged'", test.namespace);
    assert_drift(&object, field, &owner, "absent");
    test.account.clear_faults();
    test.settle(KIND, "tagged", "put back", |object| settled(object) && last_drift(object, field).is_some()).await;
    assert!(tags(&test, "tagged").await.contains("showcore.io/owner"));
    let namespace = test.namespace.clone();
    let cluster = format!("cluster-of-{namespace}");
    for (key, forged, ours, expected) in [
        ("owner", format!("{KIND}/{namespace}/other"), format!("{KIND}/{namespace}/tagged"), "Conflict"),
        ("cluster", "somebody-elses".to_owned(), cluster, "NotOurs"),
    ] {
        let tag = |value: &str| {
            format!(
                "client('elasticache').add_tags_to_resource(ResourceName='{arn}', Tags=[{{'Key': 'showcore.io/{key}', 'Value': '{value}'}}])"
            )
        };
        test.account.clear_requests();
        test.boto3(&tag(&forged)).await;
        test.wait(KIND, "tagged", expected, |object| reason(object, "Stalled") == Some(expected)).await;
        three_looks(&test, "DescribeReplicationGroups").await;
        assert_eq!(mutations(&test), Vec::<String>::new(), "{expected}: nothing is written");
        test.boto3(&tag(&ours)).await;
        test.wait(KIND, "tagged", "ours again", settled).await;
    }
}
