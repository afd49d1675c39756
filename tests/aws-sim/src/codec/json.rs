//! The `json` protocol (version 1.1): JSON in, JSON out.
//!
//! <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Encoded;
use crate::error::AwsError;
use crate::model::{Model, Operation, Shape};

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// Decodes a body by the operation's input shape.
pub fn decode(model: &Model, operation: &Operation, body: &[u8]) -> Result<Value, AwsError> {
    let body = if body.is_empty() { b"{}" } else { body };
    let mut parameters: Value =
        serde_json::from_slice(body).map_err(|error| AwsError::new("SerializationException", error.to_string()))?;
    if let Some(input) = &operation.input {
        walk(model, &input.shape, &mut parameters, &time_in);
    }
    Ok(parameters)
}

/// Encodes an answer by the operation's output shape.
pub fn encode(model: &Model, operation: &Operation, answer: &Value) -> Encoded {
    let body = match &operation.output {
        Some(output) => {
            let mut answer = answer.clone();
            walk(model, &output.shape, &mut answer, &time_out);
            answer.to_string()
        }
        None => String::new(),
    };
    Encoded { content_type: CONTENT_TYPE, body }
}

/// Encodes an error.
pub fn encode_error(error: &AwsError) -> Encoded {
    let body = json!({"__type": error.code, "message": error.message}).to_string();
    Encoded { content_type: CONTENT_TYPE, body }
}

/// Applies `time` to each timestamp in a value. Absent and null are the same.
fn walk(model: &Model, shape: &str, value: &mut Value, time: &dyn Fn(&mut Value)) {
    match (model.shape(shape), value) {
        (Shape::Structure(shape), Value::Object(members)) => {
            members.retain(|_, value| !value.is_null());
            for (name, value) in members {
                if let Some(member) = shape.members.get(name) {
                    walk(model, &member.shape, value, time);
                }
            }
        }
        (Shape::List { member, .. }, Value::Array(values)) => {
            for value in values {
                walk(model, &member.shape, value, time);
            }
        }
        (Shape::Map { value: shape, .. }, Value::Object(entries)) => {
            for value in entries.values_mut() {
                walk(model, &shape.shape, value, time);
            }
        }
        (Shape::Timestamp, value) => time(value),
        _ => {}
    }
}

/// Seconds since 1970 become RFC 3339.
fn time_in(value: &mut Value) {
    let time = value
        .as_f64()
        .and_then(|seconds| SignedDuration::try_from_secs_f64(seconds).ok())
        .and_then(|since| Timestamp::from_duration(since).ok());
    if let Some(time) = time {
        *value = time.to_string().into();
    }
}

/// RFC 3339 becomes seconds since 1970.
fn time_out(value: &mut Value) {
    if let Some(time) = value.as_str().and_then(|text| text.parse::<Timestamp>().ok()) {
        *value = time.as_duration().as_secs_f64().into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(operation: &str) -> (&'static Model, &'static Operation) {
        let model = Model::of("kms").unwrap();
        (model, model.operation(operation).unwrap())
    }

    #[test]
    fn times_are_seconds_on_the_wire() {
        let (model, operation) = model("DescribeKey");
        let answer = json!({"KeyMetadata": {"KeyId": "a", "CreationDate": "2026-11-24T10:00:00.5Z"}});
        assert_eq!(
            encode(model, operation, &answer).body,
            r#"{"KeyMetadata":{"CreationDate":1795514400.5,"KeyId":"a"}}"#
        );
    }

    #[test]
    fn a_body_that_is_no_json_is_a_serialization_error() {
        let (model, operation) = model("DescribeKey");
        assert_eq!(decode(model, operation, b"{").unwrap_err().code, "SerializationException");
        assert_eq!(decode(model, operation, b"").unwrap(), json!({}));
        assert_eq!(decode(model, operation, br#"{"KeyId":null}"#).unwrap(), json!({}));
    }

    #[test]
    fn an_error_names_its_type() {
        let body = encode_error(&AwsError::new("NotFoundException", "no key")).body;
        assert_eq!(body, r#"{"__type":"NotFoundException","message":"no key"}"#);
    }
}
