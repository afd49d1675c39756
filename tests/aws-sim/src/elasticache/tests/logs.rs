//! Delivery of logs.

use super::*;

fn log_group(log_type: &str, name: &str) -> Value {
    json!({
        "LogType": log_type,
        "DestinationType": "cloudwatch-logs",
        "DestinationDetails": {"CloudWatchLogsDetails": {"LogGroup": name}},
        "LogFormat": "json",
    })
}

fn stream(log_type: &str, name: &str) -> Value {
    json!({
        "LogType": log_type,
        "DestinationType": "kinesis-firehose",
        "DestinationDetails": {"KinesisFirehoseDetails": {"DeliveryStream": name}},
        "LogFormat": "text",
    })
}

fn wish(configuration: Value) -> Value {
    json!({"LogDeliveryConfigurations": [configuration], "ApplyImmediately": true})
}

/// Type, destination and status of what the group shows.
fn shown(client: &Client) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let group = client.group();
    let of = |one: &Value| {
        let details = &one["DestinationDetails"];
        let name = match &details["CloudWatchLogsDetails"]["LogGroup"] {
            Value::Null => text(&details["KinesisFirehoseDetails"]["DeliveryStream"]),
            name => text(name),
        };
        (text(&one["LogType"]), name, text(&one["Status"]))
    };
    group["LogDeliveryConfigurations"].as_array().unwrap().iter().map(of).collect()
}

fn row(log_type: &str, name: &str, status: &str) -> (String, String, String) {
    (log_type.to_owned(), name.to_owned(), status.to_owned())
}

#[test]
fn a_delivery_is_enabled_changed_and_disabled_each_for_a_while() {
    let client = Client::new();
    client.create(json!({"LogDeliveryConfigurations": [log_group("slow-log", "/slow")]}));
    assert_eq!(shown(&client), [row("slow-log", "/slow", "enabling")]);
    client.pass(10 * MINUTE);
    assert_eq!(shown(&client), [row("slow-log", "/slow", "active")]);
    assert_eq!(client.member("redis-001")["ReplicationGroupLogDeliveryEnabled"], true);

    let changing = client.modified(wish(stream("engine-log", "engine")));
    assert_eq!(changing["Status"], "modifying");
    assert_eq!(changing["PendingModifiedValues"]["LogDeliveryConfigurations"][0]["LogType"], "engine-log");
    assert_eq!(shown(&client), [row("slow-log", "/slow", "active"), row("engine-log", "engine", "enabling")]);
    client.pass(MINUTE);
    assert_eq!(client.group()["Status"], "available");

    client.modified(wish(log_group("slow-log", "/other")));
    assert_eq!(
        shown(&client),
        [row("engine-log", "engine", "active"), row("slow-log", "/slow", "modifying")],
        "the new target is pending"
    );
    client.pass(MINUTE);
    client.modified(wish(json!({"LogType": "slow-log", "Enabled": false})));
    assert_eq!(shown(&client), [row("engine-log", "engine", "active"), row("slow-log", "/other", "disabling")]);
    client.pass(MINUTE);
    assert_eq!(shown(&client), [row("engine-log", "engine", "active")]);

    client.account.elasticache().fail_log_delivery(REGION, "redis", "engine-log", "gone");
    assert_eq!(shown(&client), [row("engine-log", "engine", "error")]);
    assert_eq!(client.group()["LogDeliveryConfigurations"][0]["Message"], "gone");
    client.modified(wish(stream("engine-log", "engine")));
    client.pass(MINUTE);
    assert_eq!(shown(&client), [row("engine-log", "engine", "active")], "enabled anew");
    client.account.elasticache().fail_log_delivery(REGION, "redis", "engine-log", "gone");
    client.modified(wish(json!({"LogType": "engine-log", "Enabled": false})));
    client.pass(MINUTE);
    assert_eq!(shown(&client), [], "one that fails can be ended, too");
}

#[test]
fn what_aws_refuses_of_a_delivery_is_refused() {
    let client = Client::new();
    client.available(json!({}));
    client.account.elasticache().make_unknown("/nowhere");
    let value = "InvalidParameterValue";
    for (more, code) in [
        (json!({"LogDeliveryConfigurations": [log_group("slow-log", "/slow")]}), value),
        (wish(log_group("slow-log", "/nowhere")), value),
        (wish(log_group("slow-log", "with space")), value),
        (wish(log_group("audit-log", "/slow")), value),
        (wish(with(log_group("slow-log", "/slow"), json!({"LogFormat": null}))), value),
        (
            wish(with(log_group("slow-log", "/slow"), json!({"DestinationType": "kinesis-firehose"}))),
            "InvalidParameterCombination",
        ),
        (wish(json!({"LogType": "slow-log", "Enabled": false})), value),
        (
            json!({"ApplyImmediately": true,
                "LogDeliveryConfigurations": [log_group("slow-log", "/a"), log_group("slow-log", "/b")]}),
            value,
        ),
    ] {
        let said = more.to_string();
        assert_eq!(client.modify(more).unwrap_err().code, code, "{said}");
    }
    let old = |log_type| json!({"EngineVersion": "6.0", "LogDeliveryConfigurations": [log_group(log_type, "/slow")]});
    let create =
        |more| client.ask("CreateReplicationGroup", with(group_named("old"), more)).map_err(|error| error.code);
    assert_eq!(create(old("engine-log")).unwrap_err(), "InvalidParameterCombination");
    assert!(create(old("slow-log")).is_ok());
    assert_eq!(client.group()["LogDeliveryConfigurations"], json!([]));
}
