//! The delivery of a cache's logs.

use super::*;

const FIELD: &str = "logDelivery.SlowLog";

fn to(name: &str) -> String {
    format!("logDelivery: [{{logType: SlowLog, destination: CloudWatchLogs, name: {name}}}]")
}

/// Types and statuses of what AWS delivers.
async fn delivered(test: &Test, name: &str) -> Vec<(String, String)> {
    let text = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
    let group = group(test, name).await;
    let deliveries = group["LogDeliveryConfigurations"].as_array().unwrap();
    deliveries.iter().map(|one| (text(one, "LogType"), text(one, "Status"))).collect()
}

fn active(log_type: &str) -> (String, String) {
    (log_type.to_owned(), "active".to_owned())
}

fn generation(generation: i64) -> impl Fn(&Value) -> bool {
    move |object| object["metadata"]["generation"] == generation && settled(object)
}

#[tokio::test]
async fn logs_are_delivered_changed_and_ended_and_somebodys_are_left_alone() {
    let mut test = ready("logged", &to("/slow")).await;
    assert_eq!(delivered(&test, "logged").await, [active("slow-log")]);
    let requests = test.account.requests();
    let create = requests.iter().find(|request| request.operation == "CreateReplicationGroup").unwrap();
    assert!(create.parameters["LogDeliveryConfigurations"].to_string().contains("/slow"), "from the first second");
    test.boto3(
        "client('elasticache').modify_replication_group(ReplicationGroupId='logged', ApplyImmediately=True, LogDeliveryConfigurations=[
  {'LogType': 'engine-log', 'DestinationType': 'kinesis-firehose', 'LogFormat': 'text',
   'DestinationDetails': {'KinesisFirehoseDetails': {'DeliveryStream': 'theirs'}}}])",
    )
    .await;
    test.apply(&manifest("logged", &to("/other"))).await;
    test.settle(KIND, "logged", "in sync", generation(2)).await;
    test.advance(Duration::from_mins(5));
    assert_eq!(delivered(&test, "logged").await, [active("engine-log"), active("slow-log")]);
    assert!(group(&test, "logged").await.to_string().contains("/other"));
    let off = "client('elasticache').modify_replication_group(ReplicationGroupId='logged', ApplyImmediately=True, LogDeliveryConfigurations=[{'LogType': 'slow-log', 'Enabled': False}])";
    tamper(&mut test, off, &[("elasticache", "ModifyReplicationGroup")]).await;
    let object = test.settle(KIND, "logged", "Drifted", |object| drift(object, FIELD).is_some()).await;
    assert_drift(&object, FIELD, "'JSON to CloudWatchLogs /other'", "absent");
    test.account.clear_faults();
    test.settle(KIND, "logged", "corrected", |object| settled(object) && last_drift(object, FIELD).is_some()).await;
    test.apply(&manifest("logged", "")).await;
    test.settle(KIND, "logged", "in sync", generation(3)).await;
    test.advance(Duration::from_mins(5));
    assert_eq!(delivered(&test, "logged").await, [active("engine-log")], "ours ended, theirs stays");
}

#[tokio::test]
async fn a_delivery_that_fails_and_a_destination_that_is_not_there_are_said_and_the_cache_stays_ready() {
    let test = ready("failing", &to("/slow")).await;
    let message_of_aws = "log group /slow of 111122223333 was deleted";
    assert!(test.account.elasticache().fail_log_delivery(REGION, "failing", "slow-log", message_of_aws));
    let failed = |object: &Value| reason(object, "Pending") == Some("LogDeliveryFailed");
    let object = test.wait(KIND, "failing", "LogDeliveryFailed", failed).await;
    assert_eq!(condition(&object, "Ready"), Some("True"));
    assert!(message(&object, "Pending").contains("spec.logDelivery"), "{object:#}");
    assert!(!object.to_string().contains("was deleted"), "rule 11: AWS's own words are not shown");
    three_looks(&test, "DescribeReplicationGroups").await;
    assert_eq!(calls(&test, "ModifyReplicationGroup"), 0, "nothing is sent again and again");
    // As the sentence says: taken out, and put back.
    test.apply(&manifest("failing", "")).await;
    let clear = |object: &Value| generation(2)(object) && condition(object, "Pending").is_none();
    test.settle(KIND, "failing", "disabled", clear).await;
    test.account.elasticache().make_unknown("/nowhere");
    test.apply(&manifest("failing", &to("/nowhere"))).await;
    let refused = |object: &Value| reason(object, "Pending") == Some("LogDestinationRefused");
    let object = test.settle(KIND, "failing", "LogDestinationRefused", refused).await;
    assert_eq!(condition(&object, "Ready"), Some("True"));
    assert!(message(&object, "Pending").contains("each log group or delivery stream"), "{object:#}");
    test.apply(&manifest("failing", &to("/slow"))).await;
    let done = |object: &Value| generation(4)(object) && condition(object, "Pending").is_none();
    test.settle(KIND, "failing", "delivered again", done).await;
    test.advance(Duration::from_mins(5));
    assert_eq!(delivered(&test, "failing").await, [active("slow-log")]);
}
