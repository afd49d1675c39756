//! Several processes for one cluster: one works, and what becomes of it when it is killed, frozen, cut off or ended.

use std::time::{Duration, Instant};

use aws_sim::{Fault, FaultKind};
use harness::{Operator, OperatorOptions, Proxy, Test};
use serde_json::Value;

use crate::{
    look::{at_rest, by_operator, condition, get, last_drift, manifest, settled, version},
    operator::{as_service_account, in_kubeconfig},
};

const LEASE: &str = "showcore-operator-of-namespace";
/// A fifth of the usual times or so: the order of events is the same, and the machine may be busy.
const SHORT: [&str; 6] = ["--lease-duration", "4s", "--lease-renew-deadline", "3s", "--lease-retry", "300ms"];
const BUCKET: &str = "bucketName: 'held-{accountID}', purpose: Backups";

/// An operator that takes part in the election, and whose requests and log bear its name.
fn candidate(test: &Test, name: &str, arguments: &[&str]) -> OperatorOptions {
    let mut options = test.operator_options().unwrap();
    options.arguments = ["--leader-elect"].iter().chain(arguments).map(Into::into).collect();
    options.environment = vec![("POD_NAME".into(), name.into()), ("AWS_SDK_UA_APP_ID".into(), name.into())];
    options.log.set_file_name(format!("{name}.log"));
    options
}

/// Two of them, of which the first works and the second stands by.
async fn pair(test: &Test, arguments: &[&str], second: &[&str]) -> (Operator, Operator) {
    let first = candidate(test, "first", arguments).start().await.unwrap();
    test.until("the first to work", |_| works(&first)).await;
    let second: Vec<_> = arguments.iter().chain(second).copied().collect();
    let second = candidate(test, "second", &second).start().await.unwrap();
    test.until("the second to stand by", |_| second.log().contains("standing by")).await;
    (first, second)
}

fn works(operator: &Operator) -> bool {
    operator.log().contains("the operator runs")
}

/// What this operator has sent to AWS.
fn sent(test: &Test, name: &str) -> Vec<String> {
    let app = format!("app/{name}");
    let requests = test.account.requests();
    let own = requests.iter().filter(|request| request.user_agent.contains(&app));
    own.map(|request| request.operation.clone()).collect()
}

async fn lease(test: &Test) -> Value {
    test.kubectl.run(&["get", "lease", LEASE, "-o", "json"]).await.unwrap().json().unwrap()
}

async fn holder(test: &Test) -> String {
    lease(test).await["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
}

/// Suspends a bucket's versioning behind the operators' backs.
async fn tamper(test: &Test, bucket: &str) {
    test.boto3(&format!(
        "client('s3').put_bucket_versioning(Bucket='{bucket}-{}', VersioningConfiguration={{'Status': 'Suspended'}})",
        test.account_id()
    ))
    .await;
}

async fn corrected(test: &Test, name: &str) -> Value {
    let corrected = |object: &Value| last_drift(object, "versioning").is_some() && settled(object);
    test.wait("ShowCoreBucket", name, "its drift corrected", corrected).await
}

#[tokio::test]
async fn rule_12_of_two_processes_one_works_and_the_other_takes_over_within_20_s_when_it_is_killed() {
    let test = Test::start("killed").await.unwrap();
    // With the times that a cluster has.
    let (first, second) = pair(&test, &[], &[]).await;
    test.apply(&manifest("ShowCoreBucket", "held", BUCKET)).await;
    test.wait("ShowCoreBucket", "held", "Ready", settled).await;
    assert!(!sent(&test, "first").is_empty());
    // The standby is healthy and ready, so that a Deployment can be rolled out, and has asked nobody for anything.
    let (of_first, of_second) = (first.address().unwrap(), second.address().unwrap());
    let ready = get(&of_first, "/readyz").await;
    assert!(ready.ends_with("ok"), "{ready}");
    assert!(get(&of_first, "/metrics").await.contains("showcore_leader 1"));
    assert!(get(&of_second, "/healthz").await.contains("200 OK"));
    let ready = get(&of_second, "/readyz").await;
    assert!(ready.contains("200 OK") && ready.ends_with("standing by"), "{ready}");
    let metrics = get(&of_second, "/metrics").await;
    assert!(metrics.contains("showcore_leader 0"), "{metrics}");
    assert!(!metrics.contains("showcore_kubernetes_requests_total"), "{metrics}");
    assert_eq!(sent(&test, "second"), Vec::<String>::new());
    assert!(holder(&test).await.starts_with("first_"));

    tamper(&test, "held").await;
    first.kill();
    let killed = Instant::now();
    test.until("the second to work", |_| works(&second)).await;
    let took = killed.elapsed();
    println!("the standby took over after {took:.1?}");
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert!(holder(&test).await.starts_with("second_"));
    assert_eq!(lease(&test).await["spec"]["leaseTransitions"], 1);
    // Whoever of the two saw the drift first, the second sees to it.
    corrected(&test, "held").await;
}

#[tokio::test]
async fn told_to_end_it_gives_the_lease_away_at_once() {
    let test = Test::start("ended").await.unwrap();
    let (first, second) = pair(&test, &[], &[]).await;
    let third = candidate(&test, "third", &[]).start().await.unwrap();
    test.until("the third to stand by", |_| third.log().contains("standing by")).await;
    let told = Instant::now();
    assert!(third.terminate().await.unwrap().success());
    assert!(told.elapsed() < Duration::from_secs(2), "{:?}", told.elapsed());
    assert!(holder(&test).await.starts_with("first_"));
    let told = Instant::now();
    assert!(first.terminate().await.unwrap().success());
    test.until("the second to work", |_| works(&second)).await;
    let took = told.elapsed();
    println!("the standby took over after {took:.1?}");
    // It asks every two seconds.
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(second.terminate().await.unwrap().success());
    assert_eq!(holder(&test).await, "");
}

/// Freezes the first while it is in the middle of something, lets the second take over and finish, and wakes the first
/// when there is something to do that the second does not see.
async fn frozen(name: &str, fault: Fault) {
    let test = Test::start(name).await.unwrap();
    let (first, second) = pair(&test, &SHORT, &["--poll-interval", "1h"]).await;
    test.apply(&manifest("ShowCoreBucket", "other", "bucketName: 'other-{accountID}', purpose: Backups")).await;
    test.wait("ShowCoreBucket", "other", "Ready", at_rest).await;
    let (operation, ordered) = (fault.operation.clone(), fault.times);
    test.account.inject(fault);
    test.apply(&manifest("ShowCoreBucket", "held", BUCKET)).await;
    // The fault is met when the call arrives; one that hangs is in the log only once it is answered.
    test.until(&format!("{operation} with AWS"), |test| test.account.faults_left() < ordered).await;
    first.freeze().unwrap();
    test.account.clear_faults();
    test.until("the second to work", |_| works(&second)).await;
    let held = test.wait("ShowCoreBucket", "held", "Ready", at_rest).await;
    // Both are looked at again in an hour only, unless the first does it.
    for bucket in ["held", "other"] {
        tamper(&test, bucket).await;
    }
    test.account.clear_requests();
    let before = [version(&held).to_owned(), version(&test.get("ShowCoreBucket", "other").await.unwrap()).to_owned()];
    let events = test.kubectl.run(&["get", "events.events.k8s.io", "-o", "name"]).await.unwrap().stdout;

    first.resume().unwrap();
    let log = candidate(&test, "first", &[]).log;
    let status = first.ended().await.unwrap();
    let log = std::fs::read_to_string(log).unwrap();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("the lease is lost"), "{log}");
    assert_eq!(sent(&test, "first"), Vec::<String>::new(), "it has written after it was resumed: {log}");
    let mut after = Vec::new();
    for bucket in ["held", "other"] {
        let object = test.get("ShowCoreBucket", bucket).await.unwrap();
        assert!(last_drift(&object, "versioning").is_none() && condition(&object, "Drifted") == Some("False"));
        after.push(version(&object).to_owned());
    }
    assert_eq!(after, before);
    assert_eq!(test.kubectl.run(&["get", "events.events.k8s.io", "-o", "name"]).await.unwrap().stdout, events);
    assert!(holder(&test).await.starts_with("second_"));
    assert!(works(&second));
}

#[tokio::test]
async fn rule_12_frozen_past_its_lease_while_it_waits_for_an_answer_it_writes_nothing_when_resumed() {
    let kind = FaultKind::Hang(Duration::from_secs(1));
    frozen("frozen-asking", Fault { service: "s3".into(), operation: "CreateBucket".into(), times: 1, kind }).await;
}

#[tokio::test]
async fn rule_12_frozen_past_its_lease_between_two_tries_of_the_sdk_it_writes_nothing_when_resumed() {
    let kind = FaultKind::Error { code: "InternalError".into(), status: 500, message: "as ordered".into() };
    frozen("frozen-retrying", Fault { service: "s3".into(), operation: "CreateBucket".into(), times: 100, kind }).await;
}

/// Waits until the first has ended by itself because it could not renew, and shows that it was before its lease did.
async fn ends_before_its_lease(test: &Test, first: Operator, second: &Operator, cut: Instant) {
    let log = candidate(test, "first", &[]).log;
    let renewed = lease(test).await["spec"]["renewTime"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let status = first.ended().await.unwrap();
    let ended = jiff::Timestamp::now();
    let log = std::fs::read_to_string(log).unwrap();
    println!("it ended {:.1?} after it was cut off", cut.elapsed());
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("could not be renewed for 3s"), "{log}");
    let after = Duration::try_from(ended.duration_since(renewed)).unwrap();
    assert!(after < Duration::from_secs(4), "its lease was over: {after:?} after it was renewed");
    let count = sent(test, "first").len();
    test.until("the second to work", |_| works(second)).await;
    tamper(test, "held").await;
    corrected(test, "held").await;
    assert_eq!(sent(test, "first").len(), count);
}

#[tokio::test]
async fn rule_12_a_leader_that_may_not_renew_stops_before_its_lease_ends() {
    let test = Test::start("forbidden").await.unwrap();
    // It may go on with everything else.
    let (options, _folder) = as_service_account(&test, candidate(&test, "first", &SHORT)).await;
    let first = options.start().await.unwrap();
    test.until("the first to work", |_| works(&first)).await;
    let second = candidate(&test, "second", &SHORT).start().await.unwrap();
    test.apply(&manifest("ShowCoreBucket", "held", BUCKET)).await;
    test.wait("ShowCoreBucket", "held", "Ready", settled).await;
    test.kubectl.run(&["delete", "rolebinding", "operator-lease"]).await.unwrap().ok().unwrap();
    ends_before_its_lease(&test, first, &second, Instant::now()).await;
}

#[tokio::test]
async fn rule_12_a_leader_that_is_cut_off_from_the_api_server_stops_before_its_lease_ends() {
    let test = Test::start("cut-off").await.unwrap();
    let server: http::Uri = test.control_plane.server().parse().unwrap();
    let address = format!("{}:{}", server.host().unwrap(), server.port_u16().unwrap()).parse().unwrap();
    let proxy = Proxy::start(address).await.unwrap();
    let mut options = candidate(&test, "first", &SHORT);
    let _folder = in_kubeconfig(&test, &mut options, |config| {
        config["clusters"][0]["cluster"]["server"] = format!("https://{}", proxy.address()).into();
    });
    let first = options.start().await.unwrap();
    test.until("the first to work", |_| works(&first)).await;
    let second = candidate(&test, "second", &SHORT).start().await.unwrap();
    test.apply(&manifest("ShowCoreBucket", "held", BUCKET)).await;
    test.wait("ShowCoreBucket", "held", "Ready", settled).await;
    proxy.cut();
    ends_before_its_lease(&test, first, &second, Instant::now()).await;
}

#[tokio::test]
async fn a_call_that_hangs_does_not_hold_up_the_end_beyond_the_shutdown_timeout() {
    let mut test = Test::start("hung").await.unwrap();
    let mut options = test.operator_options().unwrap();
    options.arguments.extend(["--leader-elect", "--shutdown-timeout", "1s"].map(Into::into));
    test.start_operator_as(options).await.unwrap();
    let kind = FaultKind::Hang(Duration::from_mins(1));
    test.account.inject(Fault { service: "s3".into(), operation: "CreateBucket".into(), times: 1, kind });
    test.apply(&manifest("ShowCoreBucket", "held", BUCKET)).await;
    test.until("the create call with AWS", |test| test.account.faults_left() == 0).await;
    let told = Instant::now();
    test.stop_operator().await.unwrap();
    assert!((Duration::from_secs(1)..Duration::from_secs(5)).contains(&told.elapsed()), "{:?}", told.elapsed());
    let log = test.operator_log();
    assert!(log.contains(&format!("\"passes\":\"ShowCoreBucket {}/held\"", test.namespace)), "{log}");
    assert_eq!(holder(&test).await, "", "the lease is released all the same");
}

#[tokio::test]
async fn objects_that_fail_or_hang_for_ever_never_delay_the_others() {
    let mut test = Test::start("starved").await.unwrap();
    let proxy = Proxy::start(test.endpoint().trim_start_matches("http://").parse().unwrap()).await.unwrap();
    // AWS never answers about these.
    proxy.hang_on("hangs-");
    let mut options = test.operator_options().unwrap();
    options.arguments = ["--endpoint-url".to_owned(), format!("http://{}", proxy.address())].map(Into::into).into();
    test.start_operator_as(options).await.unwrap();
    let hanging: Vec<_> = (0..40).map(|n| manifest("ShowCoreDatabase", &format!("hangs-{n}"), "")).collect();
    test.apply(&hanging.join("\n---\n")).await;
    test.until("all turns taken by what hangs", |_| proxy.hangs() >= 16).await;
    // A new object among them.
    let applied = Instant::now();
    test.apply(&manifest("ShowCoreDatabase", "well", "")).await;
    test.settle("ShowCoreDatabase", "well", "Ready", settled).await;
    let took = applied.elapsed();
    println!("Ready after {took:.1?} among 40 that hang");
    assert!(took < Duration::from_secs(25), "{took:?}");
    // And once each of them has failed, its drift is seen and mended as if they were not there.
    test.until("more tries than there are turns and objects", |_| proxy.hangs() >= 40 * 3 + 8).await;
    let turns = |test: &Test| {
        let requests = test.account.requests();
        requests.iter().filter(|request| by_operator(request) && request.operation == "DescribeDBInstances").count()
    };
    let (looks, begun) = (turns(&test), Instant::now());
    test.until("twenty looks at the one that is well", |test| turns(test) >= looks + 20).await;
    let took = begun.elapsed();
    println!("twenty looks took {took:.1?}");
    assert!(took < Duration::from_secs(15), "{took:?}");
}

#[tokio::test]
async fn a_lease_that_says_another_is_believed_at_once() {
    let test = Test::start("taken").await.unwrap();
    for (change, said) in [
        (
            vec!["patch", "lease", LEASE, "--type=merge", "-p", r#"{"spec":{"holderIdentity":"somebody"}}"#],
            "held by somebody",
        ),
        (vec!["delete", "lease", LEASE], "nothing, it was deleted"),
    ] {
        let options = candidate(&test, "first", &SHORT);
        let first = options.start().await.unwrap();
        let started = |log: &str| log.matches("the operator runs").count();
        let before = started(&first.log());
        test.until("it to work, once the lease is over", |_| started(&first.log()) > before).await;
        test.kubectl.run(&change).await.unwrap().ok().unwrap();
        assert_eq!(first.ended().await.unwrap().code(), Some(1));
        assert!(std::fs::read_to_string(&options.log).unwrap().contains(said), "{said}");
    }
}

/// The value of a metric's row, once it is at least that.
async fn at_least(test: &Test, address: &str, row: &str, least: f64) {
    let mut text = String::new();
    for _ in 0..100 {
        text = get(address, "/metrics").await;
        let value = text.lines().find_map(|line| line.strip_prefix(row)?.strip_prefix(' ')?.parse::<f64>().ok());
        if value.is_some_and(|value| value >= least) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{row} is not {least}:\n{text}\n{}", test.story().await);
}

#[tokio::test]
async fn metrics_tell_what_happens_and_each_of_them_is_documented() {
    let mut test = Test::start("measured").await.unwrap();
    let mut options = test.operator_options().unwrap();
    options.arguments.push("--leader-elect".into());
    test.start_operator_as(options).await.unwrap();
    test.until("it to work", |test| test.operator_log().contains("the operator runs")).await;
    let at = test.operator_address().unwrap();
    test.apply(&manifest("ShowCoreBucket", "held", &format!("{BUCKET}, tags: {{team: core}}"))).await;
    test.wait("ShowCoreBucket", "held", "Ready", settled).await;
    // Another bucket of that name.
    test.apply(&manifest("ShowCoreBucket", "late", BUCKET)).await;
    test.wait("ShowCoreBucket", "late", "Stalled", |object| condition(object, "Stalled") == Some("True")).await;
    let objects = |condition: &str, status: &str| {
        format!(r#"showcore_objects{{kind="ShowCoreBucket",condition="{condition}",status="{status}"}}"#)
    };
    at_least(&test, &at, &objects("Ready", "True"), 1.0).await;
    at_least(&test, &at, &objects("Stalled", "True"), 1.0).await;
    at_least(&test, &at, &objects("Stalled", "False"), 1.0).await;
    tamper(&test, "held").await;
    test.boto3(&format!(
        "s3 = client('s3'); b = 'held-{}'; t = s3.get_bucket_tagging(Bucket=b)['TagSet']; t = [dict(x, Value='web') if x['Key'] == 'team' else x for x in t]; s3.put_bucket_tagging(Bucket=b, Tagging={{'TagSet': t}})",
        test.account_id()
    ))
    .await;
    for field in ["versioning", "tags"] {
        for what in ["found", "corrected"] {
            let row = format!(r#"showcore_drift_{what}_total{{kind="ShowCoreBucket",field="{field}"}}"#);
            at_least(&test, &at, &row, 1.0).await;
        }
    }
    let kind = FaultKind::Error { code: "SlowDown".into(), status: 503, message: String::new() };
    test.account.inject(Fault { service: "s3".into(), operation: "GetBucketVersioning".into(), times: 6, kind });
    for row in [
        "showcore_leader",
        r#"showcore_reconciles_total{kind="ShowCoreBucket",outcome="done"}"#,
        r#"showcore_reconciles_total{kind="ShowCoreBucket",outcome="failed"}"#,
        r#"showcore_reconcile_duration_seconds_count{kind="ShowCoreBucket"}"#,
        r#"showcore_aws_calls_total{service="s3",operation="CreateBucket",error=""}"#,
        r#"showcore_aws_calls_total{service="s3",operation="GetBucketVersioning",error="SlowDown"}"#,
        r#"showcore_kubernetes_requests_total{method="PATCH"}"#,
    ] {
        at_least(&test, &at, row, 1.0).await;
    }
    at_least(&test, &at, r#"showcore_queue_depth{kind="ShowCoreBucket"}"#, 0.0).await;
    at_least(&test, &at, r#"showcore_reconciles_running{kind="ShowCoreBucket"}"#, 0.0).await;
    // What is gone is not counted.
    test.delete("ShowCoreBucket", "late").await;
    test.wait_gone("ShowCoreBucket", "late").await;
    test.wait("ShowCoreBucket", "held", "in sync again", settled).await;
    at_least(&test, &at, &objects("Stalled", "True"), 0.0).await;
    let metrics = get(&at, "/metrics").await;
    assert!(metrics.contains(&format!("{} 0", objects("Stalled", "True"))), "{metrics}");

    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md")).unwrap();
    for name in metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
        assert!(page.contains(&format!("| `{name}")), "docs/metrics.md does not list {name}");
    }
}
