//! Requests of which a test's hook says what becomes of them.

use bytes::Bytes;
use futures::FutureExt as _;
use http::Response;
use http::request::Parts;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use s3s::Body;

use super::{Answer, AnswerLost, Front, Incomer, foreign};
use crate::error::AwsError;
use crate::hook::{Arrival, Hook, Outcome, object};
use crate::log::is_mutating;

pub(super) async fn answer(hook: &dyn Hook, front: Front, incomer: Incomer, mut parts: Parts, body: Bytes) -> Answer {
    let service = incomer.scope.service.clone();
    let (operation, parameters) = foreign::understood(&service, &mut parts, &body);
    let arrival = Arrival {
        call: format!("{service}:{operation}"),
        object: object(&parameters),
        mutating: is_mutating(&operation),
        parameters,
    };
    let request = parts.clone();
    let execute = async move {
        let (head, body) = front.answer_to(&incomer, parts, body).await.ok()?.into_parts();
        Some(Response::from_parts(head, body.collect().await.ok()?.to_bytes()))
    };
    match hook.meet(arrival, execute.boxed()).await {
        Outcome::Answered(answer) => Ok(answer.map(Body::from)),
        Outcome::Refused { code, status, message } => {
            Ok(foreign::refused(&service, &request, &operation, AwsError::new(&code, message), status))
        }
        Outcome::Half(answer) => Ok(answer.map(|body| half(&body))),
        Outcome::Cut => Err(AnswerLost),
    }
}

/// A body that breaks off in the middle.
fn half(body: &Bytes) -> Body {
    let first = body.slice(..body.len() / 2);
    let frames = [Ok(Frame::data(first)), Err(std::io::Error::other("the wire is cut, as a test demands"))];
    Body::http_body_unsync(StreamBody::new(futures::stream::iter(frames)))
}
