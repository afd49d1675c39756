//! Holding values against shapes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::{Model, Operation, Shape, Structure};
use crate::error::AwsError;

/// What is wrong at one place of a value.
enum Fault {
    /// A required member is absent.
    Missing,
    /// The model has no such member.
    Unknown,
    /// The value does not fit; in words.
    Value(String),
}

type Found = Vec<(String, Fault)>;

pub(super) fn input(model: &Model, operation: &Operation, parameters: &Value) -> Result<(), AwsError> {
    let mut found = Found::new();
    root(model, operation.input.as_ref().map(|input| input.shape.as_str()), parameters, &mut found);
    let json = model.metadata.protocol == "json";
    match found.into_iter().next() {
        None => Ok(()),
        Some((at, Fault::Unknown)) => {
            Err(AwsError::not_implemented(format!("the parameter {at} of {}:{}", model.service(), operation.name)))
        }
        Some((at, fault)) if json => Err(AwsError::new("ValidationException", words(&at, &fault))),
        Some((at, Fault::Missing)) => {
            Err(AwsError::new("MissingParameter", format!("The request must contain the parameter {at}.")))
        }
        Some((at, fault)) => Err(AwsError::new("InvalidParameterValue", words(&at, &fault))),
    }
}

pub(super) fn output(model: &Model, operation: &Operation, answer: &Value) -> Vec<String> {
    let mut found = Found::new();
    root(model, operation.output.as_ref().map(|output| output.shape.as_str()), answer, &mut found);
    found.iter().map(|(at, fault)| words(at, fault)).collect()
}

fn words(at: &str, fault: &Fault) -> String {
    match fault {
        Fault::Missing => format!("{at} is required and absent"),
        Fault::Unknown => format!("{at} is not in the model"),
        Fault::Value(why) => format!("{at} {why}"),
    }
}

fn root(model: &Model, shape: Option<&str>, value: &Value, found: &mut Found) {
    match (shape, value) {
        (Some(shape), value) => check(model, shape, "", value, found),
        (None, Value::Null) => {}
        (None, Value::Object(members)) => {
            found.extend(members.keys().map(|name| (name.clone(), Fault::Unknown)));
        }
        (None, _) => found.push((String::new(), Fault::Value("is not empty".into()))),
    }
}

fn check(model: &Model, shape: &str, at: &str, value: &Value, found: &mut Found) {
    match (model.shape(shape), value) {
        (Shape::Structure(shape), Value::Object(members)) => {
            structure(model, shape, at, members, found);
        }
        (Shape::List { member, min, max, .. }, Value::Array(values)) => {
            range("values", values.len(), *min, *max, at, found);
            for (index, value) in values.iter().enumerate() {
                check(model, &member.shape, &format!("{at}[{index}]"), value, found);
            }
        }
        (Shape::Map { key, value: shape, .. }, Value::Object(entries)) => {
            for (name, value) in entries {
                check(model, &key.shape, &format!("{at} (key)"), &name.as_str().into(), found);
                check(model, &shape.shape, &format!("{at}.{name}"), value, found);
            }
        }
        (Shape::String { values, min, max }, Value::String(text)) => {
            if let Some(values) = values.as_ref().filter(|values| !values.contains(text)) {
                let why = format!("is '{text}', not one of {}", values.join(", "));
                found.push((at.to_owned(), Fault::Value(why)));
            }
            range("characters", text.chars().count(), *min, *max, at, found);
        }
        (Shape::Integer { min, max }, Value::Number(number)) => {
            match number.as_i64().and_then(|number| i32::try_from(number).ok()) {
                Some(number) => limits(f64::from(number), *min, *max, at, found),
                None => found.push((at.to_owned(), Fault::Value("is no 32-bit number".into()))),
            }
        }
        (Shape::Long { min, max }, Value::Number(number)) if number.is_i64() => {
            limits(number.as_f64().unwrap_or_default(), *min, *max, at, found);
        }
        (Shape::Double | Shape::Float, Value::Number(_)) | (Shape::Boolean, Value::Bool(_)) => {}
        (Shape::Timestamp, Value::String(text)) if text.parse::<jiff::Timestamp>().is_ok() => {}
        (Shape::Blob, Value::String(text)) if STANDARD.decode(text).is_ok() => {}
        (shape, value) => {
            let why = format!("is {value}, which is no {}", kind(shape));
            found.push((at.to_owned(), Fault::Value(why)));
        }
    }
}

fn structure(model: &Model, shape: &Structure, at: &str, members: &Map<String, Value>, found: &mut Found) {
    let path = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    for name in shape.required.iter().filter(|name| !members.contains_key(*name)) {
        found.push((path(name), Fault::Missing));
    }
    for (name, value) in members {
        match shape.members.get(name) {
            Some(member) => check(model, &member.shape, &path(name), value, found),
            None => found.push((path(name), Fault::Unknown)),
        }
    }
}

fn range(unit: &str, count: usize, min: Option<f64>, max: Option<f64>, at: &str, found: &mut Found) {
    let count = u32::try_from(count).map_or(f64::MAX, f64::from);
    if min.is_some_and(|min| count < min) || max.is_some_and(|max| count > max) {
        let why = format!("has {count} {unit}, outside {}..{}", bound(min), bound(max));
        found.push((at.to_owned(), Fault::Value(why)));
    }
}

fn limits(number: f64, min: Option<f64>, max: Option<f64>, at: &str, found: &mut Found) {
    if min.is_some_and(|min| number < min) || max.is_some_and(|max| number > max) {
        let why = format!("is {number}, outside {}..{}", bound(min), bound(max));
        found.push((at.to_owned(), Fault::Value(why)));
    }
}

fn bound(bound: Option<f64>) -> String {
    bound.map_or_else(String::new, |bound| bound.to_string())
}

fn kind(shape: &Shape) -> &'static str {
    match shape {
        Shape::Structure(_) => "structure",
        Shape::List { .. } => "list",
        Shape::Map { .. } => "map",
        Shape::String { .. } => "text",
        Shape::Integer { .. } | Shape::Long { .. } => "whole number",
        Shape::Double | Shape::Float => "number",
        Shape::Boolean => "true or false",
        Shape::Timestamp => "timestamp",
        Shape::Blob => "base64",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn model(service: &str, operation: &str) -> (&'static Model, &'static Operation) {
        let model = Model::of(service).unwrap();
        (model, model.operation(operation).unwrap())
    }

    fn code(service: &str, operation: &str, parameters: &Value) -> String {
        let (model, operation) = model(service, operation);
        model.check_input(operation, parameters).unwrap_err().code
    }

    #[test]
    fn parameters_are_held_against_the_model() {
        assert_eq!(code("rds", "DeleteDBInstance", &json!({})), "MissingParameter");
        assert_eq!(
            code("rds", "DeleteDBInstance", &json!({"DBInstanceIdentifier": "a", "Force": true})),
            "NotImplemented"
        );
        let wrong = json!({"DBInstanceIdentifier": "a", "DBInstanceClass": "c", "Engine": "postgres",
            "DatabaseInsightsMode": "deep"});
        assert_eq!(code("rds", "CreateDBInstance", &wrong), "InvalidParameterValue");
        assert_eq!(code("kms", "DescribeKey", &json!({})), "ValidationException");
    }

    #[test]
    fn an_answer_with_an_unknown_member_enum_or_type_is_a_violation() {
        let (model, operation) = model("rds", "DescribeDBInstances");
        let answer = |instance: Value| json!({"DBInstances": [instance]});
        let wrong = |instance| model.check_output(operation, &answer(instance));
        assert_eq!(wrong(json!({"DBInstanceIdentifier": "a", "AllocatedStorage": 20})), [""; 0]);
        assert!(wrong(json!({"Identifier": "a"}))[0].contains("not in the model"));
        assert!(wrong(json!({"AllocatedStorage": "20"}))[0].contains("whole number"));
        assert!(wrong(json!({"ReplicaMode": "open"}))[0].contains("not one of"));
        assert!(wrong(json!({"InstanceCreateTime": "yesterday"}))[0].contains("timestamp"));
    }

    #[test]
    fn a_missing_required_member_of_an_answer_is_a_violation() {
        let (model, operation) = model("kms", "DescribeKey");
        let wrong = model.check_output(operation, &json!({"KeyMetadata": {"Enabled": true}}));
        assert!(wrong[0].contains("KeyMetadata.KeyId is required"), "{wrong:?}");
    }

    #[test]
    fn errors_have_the_models_status() {
        let status = |service: &str, code: &str| Model::of(service).unwrap().status(code);
        assert_eq!(status("rds", "DBInstanceNotFound"), Some(404));
        assert_eq!(status("rds", "InvalidDBInstanceState"), Some(400));
        assert_eq!(status("rds", "Throttling"), Some(400));
        assert_eq!(status("kms", "NotFoundException"), Some(400));
        assert_eq!(status("kms", "KMSInternalException"), Some(500));
        assert_eq!(status("rds", "DBInstanceNotFoundFault"), None);
    }
}
