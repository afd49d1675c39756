//! How tests read an object.

use harness::Test;
use serde_json::Value;

/// The status of a condition: `True`, `False`, `Unknown`, or nothing.
pub fn condition<'a>(object: &'a Value, type_: &str) -> Option<&'a str> {
    find(object, type_)?["status"].as_str()
}

/// The reason of a condition.
pub fn reason<'a>(object: &'a Value, type_: &str) -> Option<&'a str> {
    find(object, type_)?["reason"].as_str()
}

/// The message of a condition; empty if there is no such condition.
pub fn message<'a>(object: &'a Value, type_: &str) -> &'a str {
    find(object, type_).and_then(|condition| condition["message"].as_str()).unwrap_or_default()
}

/// Ready, in sync, nothing under way, and this generation looked at.
pub fn settled(object: &Value) -> bool {
    condition(object, "Ready") == Some("True")
        && condition(object, "Drifted") == Some("False")
        && find(object, "Reconciling").is_none()
        && object["status"]["observedGeneration"] == object["metadata"]["generation"]
}

/// Settled, and AWS's id of the resource pinned in its annotation, which is written after the status: from here on its
/// resourceVersion stays.
pub fn at_rest(object: &Value) -> bool {
    let pin = object["metadata"]["annotations"]["showcore.io/resource"].as_str().unwrap_or_default();
    settled(object) && serde_json::from_str::<Value>(pin).is_ok_and(|pin| pin["id"].is_string())
}

/// The row of `status.drift` about a field.
pub fn drift<'a>(object: &'a Value, field: &str) -> Option<&'a Value> {
    object["status"]["drift"].as_array()?.iter().find(|row| row["field"] == field)
}

/// The newest row of `status.lastDrift` about a field.
pub fn last_drift<'a>(object: &'a Value, field: &str) -> Option<&'a Value> {
    object["status"]["lastDrift"].as_array()?.iter().find(|row| row["field"] == field)
}

/// An object's resourceVersion.
pub fn version(object: &Value) -> &str {
    object["metadata"]["resourceVersion"].as_str().unwrap_or_default()
}

fn find<'a>(object: &'a Value, type_: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == type_)
}

/// A manifest of one object, on one line.
pub fn manifest(kind: &str, name: &str, spec: &str) -> String {
    format!("{{apiVersion: showcore.io/v1alpha1, kind: {kind}, metadata: {{name: {name}}}, spec: {{{spec}}}}}")
}

/// A test with an operator and one object that is Ready and in sync.
pub async fn ready(kind: &str, name: &str, spec: &str) -> Test {
    let mut test = Test::start(name).await.unwrap();
    test.start_operator().await.unwrap();
    test.apply(&manifest(kind, name, spec)).await;
    test.settle(kind, name, "Ready, in sync and pinned", at_rest).await;
    test
}

/// The Secret's value under a key.
pub fn secret(object: &Value, key: &str) -> Option<String> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(object["data"][key].as_str()?).ok()?;
    String::from_utf8(bytes).ok()
}

/// Those of the names that the `aws` CLI answers that have this in them: the account may hold other tests' too.
pub async fn listed(test: &Test, question: &[&str], part: &str) -> Vec<String> {
    let names = test.aws(question).await;
    let names = names.as_array().unwrap().iter().filter_map(Value::as_str);
    names.filter(|name| name.contains(part)).map(str::to_owned).collect()
}

/// The digest of the password or token of a store that AWS has accepted last: it shows none.
pub fn accepted_secret(test: &Test, store: &str) -> Option<String> {
    let about =
        |parameters: &Value| ["DBInstanceIdentifier", "ReplicationGroupId"].iter().any(|id| parameters[id] == store);
    let requests = test.account.requests();
    let accepted = requests.iter().rev().filter(|request| request.status < 400 && about(&request.parameters));
    accepted.into_iter().find_map(|request| Some(request.parameters["secret_digest"].as_str()?.to_owned()))
}

/// The `aws` CLI's question about something is answered with this error: it is gone.
pub async fn assert_gone(test: &Test, question: &[&str], error: &str) {
    let output = test.aws.cli(question).await.unwrap();
    assert!(!output.success() && output.stderr.contains(error), "rule 6: the finalizer outlives the store: {output}");
}

/// How often the operator has called an operation, with success.
pub fn calls(test: &Test, operation: &str) -> usize {
    let requests = test.account.requests();
    requests
        .iter()
        .filter(|request| request.operation == operation && request.status < 400 && by_operator(request))
        .count()
}

/// Every mutation that the operator has sent, whatever came of it.
pub fn mutations(test: &Test) -> Vec<String> {
    let requests = test.account.requests();
    requests
        .iter()
        .filter(|request| request.mutating && by_operator(request))
        .map(|request| request.operation.clone())
        .collect()
}

/// The operator uses the Rust SDK; the tests' own clients are Python.
pub fn by_operator(request: &aws_sim::Request) -> bool {
    request.user_agent.contains("aws-sdk-rust")
}

/// Makes an operation fail, as if AWS had trouble, until the faults are cleared.
pub fn fail(test: &Test, service: &str, operation: &str, code: &str, status: u16) {
    let kind =
        aws_sim::FaultKind::Error { code: code.into(), status, message: "as a test has ordered: sg-secret".into() };
    test.account.inject(aws_sim::Fault { service: service.into(), operation: operation.into(), times: u32::MAX, kind });
}

/// Changes AWS behind the operator's back: while it is away, so that the report of what it then finds can be read
/// before it is mended, by having AWS fail these corrections.
pub async fn tamper(test: &mut Test, code: &str, corrections: &[(&str, &str)]) {
    test.stop_operator().await.unwrap();
    test.boto3(code).await;
    for (service, operation) in corrections {
        fail(test, service, operation, "InternalError", 500);
    }
    test.start_operator().await.unwrap();
}

/// Waits for three more looks: what the operator would do next, it has done then.
pub async fn three_looks(test: &Test, operation: &str) {
    let before = looks(test, operation);
    test.until("three more looks", |test| looks(test, operation) >= before + 4).await;
}

fn looks(test: &Test, operation: &str) -> usize {
    test.account.requests().iter().filter(|request| request.operation == operation && by_operator(request)).count()
}

/// The notes of all Events of this reason, once there is one that says all of `words`.
pub async fn told(test: &Test, reason: &str, words: &[&str]) {
    let mut notes = String::new();
    for _ in 0..50 {
        let output = test.kubectl.run(&["get", "events.events.k8s.io", "-o", "json"]).await.unwrap().json().unwrap();
        let events = output["items"].as_array().unwrap().iter().filter(|event| event["reason"] == reason);
        notes = events.filter_map(|event| event["note"].as_str().map(|note| note.to_owned() + "\n")).collect();
        if !notes.is_empty() && words.iter().all(|word| notes.contains(word)) {
            return;
        }
    }
    panic!("no Event {reason} says {words:?}: {notes}");
}

/// A row of drift: field, desired, observed, and a `since`.
pub fn assert_drift(object: &Value, field: &str, desired: &str, observed: &str) {
    let row = drift(object, field).unwrap_or_else(|| panic!("no drift of {field}: {:#}", object["status"]));
    assert_eq!((row["desired"].as_str(), row["observed"].as_str()), (Some(desired), Some(observed)), "{field}");
    let since: jiff::Timestamp = row["since"].as_str().unwrap_or_default().parse().expect("a time");
    let text = message(object, "Drifted");
    let said = format!("{field}: desired {desired}, observed {observed}, since {}", since.strftime("%H:%M"));
    assert!(text.contains(&said), "`{said}` is not in `{text}`");
}

/// Moves the clock to the next Sunday at this time, UTC.
pub fn advance_to_sunday(test: &Test, hour: i8, minute: i8) {
    let now = || test.account.now().to_zoned(jiff::tz::TimeZone::UTC);
    while !(now().weekday() == jiff::civil::Weekday::Sunday && (now().hour(), now().minute()) == (hour, minute)) {
        test.advance(std::time::Duration::from_mins(1));
    }
}

/// What is answered at this address and path, headers and all.
pub async fn get(address: &str, path: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: test\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// What the test's operator answers at this path, headers and all.
pub async fn served(test: &Test, path: &str) -> String {
    get(&test.operator_address().unwrap(), path).await
}

/// Rule 7: a password is nowhere but in its Secret.
pub async fn rule_07(test: &Test, password: &str) {
    let objects = test.kubectl.run(&["get", "showcore", "-o", "yaml"]).await.unwrap().stdout;
    let events = test.kubectl.run(&["get", "events.events.k8s.io", "-o", "yaml"]).await.unwrap().stdout;
    assert!(objects.contains("observedGeneration") && events.contains("reason"));
    let metrics = served(test, "/metrics").await;
    assert!(metrics.contains("showcore_reconciles"));
    let places =
        [("an object", objects), ("Events", events), ("the metrics", metrics), ("the log", test.operator_log())];
    for (place, text) in places {
        assert!(!text.contains(password), "the password is in {place}");
    }
}
