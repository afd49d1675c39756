//! A fault proxy that no one here wrote: <https://github.com/pingedbrain/microburst>. It knows AWS's calls and the forms of
//! their answers by botocore's models, as boto3 does.

use std::path::Path;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use super::emulator::start_python;
use crate::daemon::Daemon;
use crate::error::{Error, Result};

/// One that runs until this is dropped.
#[derive(Debug)]
pub struct Microburst {
    running: Daemon,
    control: Client<HttpConnector, Full<Bytes>>,
}

impl Microburst {
    /// Installs it if need be, and starts it before this endpoint.
    pub async fn start(upstream: &str, log: &Path) -> Result<Self> {
        let prepare = |command: &mut std::process::Command, port: u16| {
            command.args(["--upstream", upstream, "--host", "127.0.0.1", "--port", &port.to_string()]);
        };
        let running = start_python("microburst", "microburst", log, prepare).await?;
        Ok(Self { running, control: Client::builder(TokioExecutor::new()).build_http() })
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        self.running.url()
    }

    /// Adds a rule in its own form, and gives the rule's number.
    pub async fn add(&self, rule: &Value) -> Result<u64> {
        let answer = self.ask("PATCH", "rules", json!([rule]).to_string()).await?;
        answer[0]["id"].as_u64().ok_or_else(|| Error::Other(format!("microburst does not take {rule}: {answer}")))
    }

    /// How often the rule of this number has fired.
    pub async fn fired(&self, rule: u64) -> Result<usize> {
        let fired = self.ask("GET", &format!("fired?rule_id={rule}&limit=10000"), String::new()).await?;
        Ok(fired.as_array().map_or(0, Vec::len))
    }

    async fn ask(&self, method: &str, path: &str, body: String) -> Result<Value> {
        let failed = |error: &dyn std::fmt::Display| Error::Other(format!("microburst: {error}"));
        let request = Request::builder()
            .method(method)
            .uri(format!("{}/_microburst/{path}", self.url()))
            .body(Full::from(body))
            .map_err(|error| failed(&error))?;
        let answer = self.control.request(request).await.map_err(|error| failed(&error))?;
        let body = answer.into_body().collect().await.map_err(|error| failed(&error))?.to_bytes();
        serde_json::from_slice(&body).map_err(|error| failed(&error))
    }
}
