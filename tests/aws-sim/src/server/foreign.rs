//! Requests that something else answers: faults and the log around it.

use bytes::Bytes;
use http::request::Parts;
use http::{Response, StatusCode};
use s3s::Body;
use serde_json::Value;

use super::{Answer, AnswerLost, Incomer, families, objects, plain, request_id};
use crate::error::AwsError;
use crate::fault::FaultKind;
use crate::log::{Request, is_mutating};
use crate::s3;
use crate::upstream::{Forwarded, Upstream};

pub(super) async fn answer(upstream: &dyn Upstream, incomer: &Incomer, mut parts: Parts, body: Bytes) -> Answer {
    let service = incomer.scope.service.as_str();
    let (operation, parameters) = understood(service, &mut parts, &body);
    let fault = incomer.account.meet_fault(service, &operation);
    if let Some(fault) = &fault {
        tokio::time::sleep(fault.wait()).await;
    }
    let head = parts.method == http::Method::HEAD;
    let response = if let Some((error, status)) = fault.as_ref().and_then(|fault| fault.refusal(service)) {
        refused(service, &parts, &operation, error, status)
    } else {
        let forwarded = Forwarded {
            service: service.to_owned(),
            region: incomer.scope.region.clone(),
            access_key: incomer.scope.access_key.clone(),
            account: incomer.account.id().to_owned(),
            operation: operation.clone(),
            parts,
            body,
        };
        match upstream.send(forwarded).await {
            Ok(response) => response.map(Body::from),
            Err(why) => plain(StatusCode::BAD_GATEWAY, why),
        }
    };
    let lost = matches!(fault, Some(FaultKind::AnswerLost));
    incomer.account.record(Request {
        at: incomer.account.now(),
        service: service.to_owned(),
        mutating: is_mutating(&operation),
        operation,
        region: incomer.scope.region.clone(),
        parameters,
        error: if lost { Some("(answer lost)".into()) } else { objects::error_code(&response, head) },
        status: response.status().as_u16(),
        user_agent: incomer.user_agent.clone(),
    });
    if lost { Err(AnswerLost) } else { Ok(response) }
}

/// The operation of a request and its parameters.
pub(super) fn understood(service: &str, parts: &mut Parts, body: &Bytes) -> (String, Value) {
    if service != "s3" {
        return families::understood(service, parts, body);
    }
    s3::to_path_style(parts);
    let operation = s3::operation(parts);
    let parameters = objects::parameters(parts, &operation, body);
    (operation, parameters)
}

/// The answer to a request that is refused instead of being executed, in its service's form.
pub(super) fn refused(service: &str, parts: &Parts, operation: &str, error: AwsError, status: u16) -> Response<Body> {
    if service == "s3" {
        return objects::error(&error.code, status, &error.message, &request_id());
    }
    families::refused(service, parts, operation, error, status)
}
