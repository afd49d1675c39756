//! Requests to S3: faults and the log around the `s3s` service.

use bytes::Bytes;
use http::request::Parts;
use http::{Response, StatusCode};
use s3s::Body;
use serde_json::{Map, Value};

use super::{Answer, AnswerLost, Caller, Incomer, request_id};
use crate::fault::FaultKind;
use crate::log::{Request, is_mutating, redact};
use crate::s3;

pub(super) async fn answer(service: &s3::Service, incomer: &Incomer, mut parts: Parts, body: Bytes) -> Answer {
    s3::to_path_style(&mut parts);
    let operation = s3::operation(&parts);
    let parameters = parameters(&parts, &operation, &body);
    let head = parts.method == http::Method::HEAD;
    parts.extensions.insert(Caller {
        access_key: incomer.scope.access_key.clone(),
        account: incomer.account.id().to_owned(),
        region: incomer.scope.region.clone(),
    });
    let request = http::Request::from_parts(parts, Body::from(body));
    let fault = incomer.account.meet_fault("s3", &operation);
    if let Some(fault) = &fault {
        tokio::time::sleep(fault.wait()).await;
    }
    let response = match fault.as_ref().and_then(|fault| fault.refusal("s3")) {
        Some((refusal, status)) => error(&refusal.code, status, &refusal.message, &request_id()),
        None => service.call(request).await,
    };
    let lost = matches!(fault, Some(FaultKind::AnswerLost));
    let status = response.status();
    let code = error_code(&response, head);
    if status == StatusCode::NOT_IMPLEMENTED {
        tracing::error!(service = "s3", operation, "not implemented");
    }
    incomer.account.record(Request {
        at: incomer.account.now(),
        service: "s3".to_owned(),
        mutating: is_mutating(&operation),
        operation,
        region: incomer.scope.region.clone(),
        parameters,
        error: if lost { Some("(answer lost)".into()) } else { code },
        status: status.as_u16(),
        user_agent: incomer.user_agent.clone(),
    });
    if lost { Err(AnswerLost) } else { Ok(response) }
}

/// An S3 error as XML.
pub(super) fn error(code: &str, status: u16, message: &str, id: &str) -> Response<Body> {
    let escape = |text| quick_xml::escape::escape(text).into_owned();
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>{}</Message><RequestId>{id}</RequestId></Error>",
        escape(code),
        escape(message),
    );
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/xml"));
    if let Ok(id) = http::HeaderValue::from_str(id) {
        headers.insert("x-amz-request-id", id);
    }
    response
}

/// The code in an error's body; HEAD has none, so its reason stands for it.
pub(super) fn error_code(response: &Response<Body>, head: bool) -> Option<String> {
    let status = response.status();
    if status.as_u16() < 300 || status == StatusCode::NOT_MODIFIED {
        return None;
    }
    let body = response.body().bytes().filter(|_| !head);
    let body = body.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()).unwrap_or_default();
    let code = body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    let reason = || status.canonical_reason().unwrap_or("Unknown").replace(' ', "");
    Some(code.map_or_else(reason, |(code, _)| code.to_owned()))
}

/// Path, query and `x-amz-` headers, as far as they are not the signature's, and the body unless it is an object's.
pub(super) fn parameters(parts: &Parts, operation: &str, body: &Bytes) -> Value {
    const SIGNATURE: [&str; 4] = ["x-amz-date", "x-amz-content-sha256", "x-amz-security-token", "x-amz-user-agent"];
    let mut parameters = Map::new();
    let (bucket, key) = parts
        .uri
        .path()
        .trim_start_matches('/')
        .split_once('/')
        .unwrap_or_else(|| (parts.uri.path().trim_start_matches('/'), ""));
    for (name, value) in [("Bucket", bucket), ("Key", key)] {
        if !value.is_empty() {
            parameters.insert(name.to_owned(), value.into());
        }
    }
    for (name, value) in form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
        if !name.starts_with("X-Amz-") && name != "x-id" {
            parameters.insert(name.into_owned(), value.into());
        }
    }
    for (name, value) in &parts.headers {
        let name = name.as_str();
        if name.starts_with("x-amz-") && !SIGNATURE.contains(&name) {
            parameters.insert(name.to_owned(), String::from_utf8_lossy(value.as_bytes()).into());
        }
    }
    if operation != "PutObject"
        && !body.is_empty()
        && let Ok(text) = std::str::from_utf8(body)
    {
        parameters.insert("Body".to_owned(), text.into());
    }
    redact(&Value::Object(parameters))
}
