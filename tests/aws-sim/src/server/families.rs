//! Requests of the query and the JSON protocol.

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use s3s::Body;
use serde_json::Value;

use super::{Answer, AnswerLost, Incomer, request_id, respond};
use crate::account::known;
use crate::codec::{Encoded, json, query};
use crate::error::AwsError;
use crate::fault::FaultKind;
use crate::log::{Request, is_mutating, redact};
use crate::model::{Model, Operation};

/// The outcome of one request, before it is encoded.
struct Outcome {
    parameters: Value,
    answer: Result<Value, AwsError>,
    /// The status if it is not the model's, as in an ordered fault.
    status: Option<u16>,
    lost: bool,
}

pub(super) async fn answer(endpoint: &str, incomer: &Incomer, parts: &Parts, body: &Bytes) -> Answer {
    let service = incomer.scope.service.as_str();
    let form = form(parts, body);
    let name = operation_name(parts, &form);
    let found = match &name {
        Some(name) => known(service, name),
        None if Model::of(service).is_none() => known(service, ""),
        None => Err(AwsError::new("MissingAction", "The request names no operation.")),
    };
    let name = name.unwrap_or_else(|| "Unknown".to_owned());
    let outcome = match found {
        Err(error) => Outcome { parameters: Value::Null, answer: Err(error), status: None, lost: false },
        Ok((model, operation)) => {
            execute(endpoint, incomer, model, operation, decode(model, operation, &form, body)).await
        }
    };
    finish(incomer, parts, &name, &outcome)
}

async fn execute(
    endpoint: &str,
    incomer: &Incomer,
    model: &Model,
    operation: &Operation,
    decoded: Result<Value, AwsError>,
) -> Outcome {
    let service = model.service();
    let parameters = match decoded {
        Ok(parameters) => parameters,
        Err(error) => {
            return Outcome { parameters: Value::Null, answer: Err(error), status: None, lost: false };
        }
    };
    let fault = incomer.account.meet_fault(service, &operation.name);
    if let Some(fault) = &fault {
        tokio::time::sleep(fault.wait()).await;
    }
    let run = || incomer.account.execute(service, &incomer.scope.region, &operation.name, &parameters, endpoint);
    let (answer, status) = match fault.as_ref().and_then(|fault| fault.refusal(service)) {
        Some((error, status)) => (Err(error), Some(status)),
        None => (run(), None),
    };
    let lost = matches!(fault, Some(FaultKind::AnswerLost));
    Outcome { parameters, answer, status, lost }
}

fn finish(incomer: &Incomer, parts: &Parts, name: &str, outcome: &Outcome) -> Answer {
    let service = incomer.scope.service.as_str();
    let model = Model::of(service);
    let status = match &outcome.answer {
        Ok(_) => 200,
        Err(error) => outcome
            .status
            .or_else(|| model.and_then(|model| model.status(&error.code)))
            .or_else(|| crate::error::common_status(&error.code))
            .unwrap_or(500),
    };
    if let Err(error) = outcome.answer.as_ref()
        && status == 501
    {
        tracing::error!(service, operation = name, %error, "not implemented");
    }
    let code = outcome.answer.as_ref().err().map(|error| error.code.clone());
    incomer.account.record(Request {
        at: incomer.account.now(),
        service: service.to_owned(),
        operation: name.to_owned(),
        region: incomer.scope.region.clone(),
        parameters: redact(&outcome.parameters),
        error: if outcome.lost { Some("(answer lost)".into()) } else { code },
        status,
        mutating: is_mutating(name),
        user_agent: incomer.user_agent.clone(),
    });
    if outcome.lost {
        return Err(AnswerLost);
    }
    let id = request_id();
    Ok(respond_as(parts, model, name, &outcome.answer, status, &id))
}

fn respond_as(
    parts: &Parts,
    model: Option<&Model>,
    name: &str,
    answer: &Result<Value, AwsError>,
    status: u16,
    id: &str,
) -> Response<Body> {
    let is_json = parts.headers.contains_key("x-amz-target");
    let encoded: Encoded = match (answer, model.and_then(|model| Some((model, model.operation(name)?)))) {
        (Ok(answer), Some((model, operation))) if is_json => json::encode(model, operation, answer),
        (Ok(answer), Some((model, operation))) => query::encode(model, operation, answer, id),
        (Err(error), _) if is_json => json::encode_error(error),
        (Err(error), _) => {
            let namespace = model.and_then(|model| model.metadata.xml_namespace.as_deref());
            query::encode_error(namespace, error, status, id)
        }
        (Ok(_), None) => {
            let error = AwsError::internal("an answer without an operation");
            query::encode_error(None, &error, 500, id)
        }
    };
    let mut response = respond(status, encoded, id);
    if let Err(error) = answer
        && is_json
        && let Ok(value) = http::HeaderValue::from_str(&error.code)
    {
        response.headers_mut().insert("x-amzn-errortype", value);
    }
    response
}

fn decode(model: &Model, operation: &Operation, form: &[(String, String)], body: &[u8]) -> Result<Value, AwsError> {
    if model.metadata.protocol == "json" {
        return json::decode(model, operation, body);
    }
    let version = form.iter().find(|(name, _)| name == "Version").map(|(_, version)| version.as_str());
    match version {
        Some(version) if version != model.metadata.api_version => {
            Err(AwsError::not_implemented(format!("version {version} of {}", model.service())))
        }
        _ => Ok(query::decode(model, operation, form)),
    }
}

/// The form's parameters, and those in the URL (presigned requests have them
/// there, beside the signature's own).
fn form(parts: &Parts, body: &[u8]) -> Vec<(String, String)> {
    if parts.headers.contains_key("x-amz-target") {
        return Vec::new();
    }
    let url = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
    url.chain(form_urlencoded::parse(body))
        .filter(|(name, _)| !name.starts_with("X-Amz-"))
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}

/// The operation of a request and its parameters, as far as AWS's model knows them: for the log.
pub(super) fn understood(service: &str, parts: &Parts, body: &[u8]) -> (String, Value) {
    let form = form(parts, body);
    let name = operation_name(parts, &form).unwrap_or_else(|| "Unknown".to_owned());
    let decoded = known(service, &name).ok().and_then(|(model, operation)| decode(model, operation, &form, body).ok());
    (name, redact(&decoded.unwrap_or_default()))
}

/// The answer to a request that an ordered fault refuses.
pub(super) fn refused(service: &str, parts: &Parts, name: &str, error: AwsError, status: u16) -> Response<Body> {
    respond_as(parts, Model::of(service), name, &Err(error), status, &request_id())
}

/// `Action`, or what follows the dot in `X-Amz-Target`.
fn operation_name(parts: &Parts, form: &[(String, String)]) -> Option<String> {
    if let Some(target) = parts.headers.get("x-amz-target") {
        return target.to_str().ok()?.split_once('.').map(|(_, name)| name.to_owned());
    }
    form.iter().find(|(name, _)| name == "Action").map(|(_, name)| name.clone())
}
