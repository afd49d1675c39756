//! What a database costs in AWS calls, counted on the request log.

use harness::Test;

use super::{KIND, REGION, manifest};
use crate::look::{by_operator, settled};

/// The operator's calls since the log was cleared, oldest first.
fn sent(test: &Test) -> Vec<String> {
    let requests = test.account.requests();
    let of_operator = requests.iter().filter(|request| by_operator(request));
    of_operator.map(|request| format!("{}:{}", request.service, request.operation)).collect()
}

/// Creates a database with an operator that has just started, and takes looks while AWS is at work out of the count: the
/// one after the create call, and those until the one that finds it available.
async fn costs(name: &str, spec: &str, creation: &[&str], look: &[&str]) {
    let mut test = Test::start(name).await.unwrap();
    test.start_operator().await.unwrap();
    test.apply(&manifest(name, spec)).await;
    test.until("looks while AWS is creating it", |test| {
        test.account.rds().status(REGION, name).as_deref() == Some("creating") && sent(test).len() > creation.len() + 4
    })
    .await;
    let calls = sent(&test);
    assert_eq!(calls[..creation.len()], *creation);
    let waiting = &calls[creation.len()..];
    assert!(waiting.iter().all(|call| look.contains(&call.as_str())), "only looks while it waits: {waiting:?}");
    // It becomes available between two looks: the next one finds it, and the Secret learns the endpoint.
    test.advance(std::time::Duration::from_mins(20));
    test.wait(KIND, name, "Ready", settled).await;
    let calls = sent(&test);
    assert_eq!(calls.iter().filter(|call| *call == "rds:CreateDBInstance").count(), 1);
    assert!(calls[creation.len()..].iter().all(|call| look.contains(&call.as_str())), "{calls:?}");
    // Quiet: each look is the same calls again.
    test.account.clear_requests();
    test.until("three looks", |test| sent(test).len() >= 3 * look.len()).await;
    for quiet in sent(&test).chunks_exact(look.len()) {
        assert_eq!(quiet, look);
    }
}

#[tokio::test]
async fn a_database_costs_four_calls_to_create_and_one_to_look_at() {
    let creation =
        ["sts:GetCallerIdentity", "rds:DescribeDBInstances", "sts:GetCallerIdentity", "rds:CreateDBInstance"];
    costs("counted", "", &creation, &["rds:DescribeDBInstances"]).await;
}

#[tokio::test]
async fn with_a_parameter_group_it_costs_seven_calls_to_create_and_two_to_look_at() {
    let creation = [
        "sts:GetCallerIdentity",
        "rds:DescribeDBInstances",
        "rds:DescribeDBParameters",
        "rds:CreateDBParameterGroup",
        "rds:ModifyDBParameterGroup",
        "sts:GetCallerIdentity",
        "rds:CreateDBInstance",
    ];
    let look = ["rds:DescribeDBInstances", "rds:DescribeDBParameters"];
    costs("grouped", "parameters: {log_min_duration_statement: '500'}", &creation, &look).await;
}

#[tokio::test]
async fn every_setting_is_given_at_creation_and_nothing_is_modified_after_it() {
    let test = super::ready("whole", super::EVERY_FIELD).await;
    let instance = super::describe(&test, "whole").await;
    let expected = serde_json::json!({
        "AllocatedStorage": 500, "MaxAllocatedStorage": 1000, "StorageType": "gp3", "Iops": 12000, "StorageThroughput": 500,
        "MultiAZ": true, "AutoMinorVersionUpgrade": false, "EnabledCloudwatchLogsExports": ["postgresql", "upgrade"],
        "PerformanceInsightsEnabled": true, "PerformanceInsightsRetentionPeriod": 31, "DatabaseInsightsMode": "standard",
        "CACertificateIdentifier": "rds-ca-ecc384-g1", "CopyTagsToSnapshot": true, "BackupRetentionPeriod": 14,
        "PreferredBackupWindow": "01:00-02:00", "PreferredMaintenanceWindow": "sun:05:00-sun:06:00", "EngineVersion": "16.4",
    });
    for (member, value) in expected.as_object().unwrap() {
        assert_eq!(instance[member], *value, "{member}");
    }
    assert!(instance["PerformanceInsightsKMSKeyId"].as_str().unwrap().starts_with("arn:aws:kms:"));
    assert_eq!(crate::look::mutations(&test), ["CreateDBParameterGroup", "ModifyDBParameterGroup", "CreateDBInstance"]);
}
