//! `/_sim/…`: for processes that need the stand-in's clock, log or faults.

use std::time::Duration;

use http::request::Parts;
use http::{Method, Response, StatusCode};
use s3s::Body;

use super::plain;
use crate::{Account, Fault, Sim};

/// Answers a control request; `path` is what follows `/_sim/`.
pub(super) fn answer(sim: &Sim, parts: &Parts, path: &str, body: &[u8]) -> Response<Body> {
    let get = parts.method == Method::GET;
    match path.split('/').collect::<Vec<_>>().as_slice() {
        ["health"] if get => plain(StatusCode::OK, "ok"),
        ["violations"] if get => plain(StatusCode::OK, sim.violations().join("\n")),
        ["accounts", access_key, what] => {
            account(&sim.account(access_key), &parts.method, what, parts.uri.query(), body)
        }
        _ => plain(StatusCode::NOT_FOUND, format!("no such control: {} {path}", parts.method)),
    }
}

fn account(account: &Account, method: &Method, what: &str, query: Option<&str>, body: &[u8]) -> Response<Body> {
    match (method.as_str(), what) {
        ("GET", "now") => plain(StatusCode::OK, account.now().to_string()),
        ("POST", "advance") => match seconds(query) {
            Some(by) => {
                account.advance(by);
                plain(StatusCode::OK, account.now().to_string())
            }
            None => plain(StatusCode::BAD_REQUEST, "advance takes ?seconds=N"),
        },
        ("GET", "requests") => match serde_json::to_string(&account.requests()) {
            Ok(log) => plain(StatusCode::OK, log),
            Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        },
        ("POST", "faults") => match serde_json::from_slice::<Fault>(body) {
            Ok(fault) => {
                account.inject(fault);
                plain(StatusCode::OK, "ordered")
            }
            Err(error) => plain(StatusCode::BAD_REQUEST, error.to_string()),
        },
        ("DELETE", "faults") => {
            account.clear_faults();
            plain(StatusCode::OK, "none left")
        }
        _ => plain(StatusCode::NOT_FOUND, format!("an account has no control {method} {what}")),
    }
}

fn seconds(query: Option<&str>) -> Option<Duration> {
    let (_, seconds) = form_urlencoded::parse(query?.as_bytes()).find(|(name, _)| name == "seconds")?;
    Duration::try_from_secs_f64(seconds.parse().ok()?).ok()
}
