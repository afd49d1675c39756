//! A request on its way to the judge, and its answer on the way back.

use std::fmt::Write as _;

use async_trait::async_trait;
use aws_sim::{Forwarded, Upstream};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use super::emulator::Emulator;
use super::names::Names;
use super::sign::Signer;
use super::variable;
use crate::error::{Error, Result};

/// Printed into a test's output when the judge does not know an operation; what follows names it.
pub const NOT_SERVED: &str = "the judge does not serve";

/// Where the judge is.
#[derive(Clone, Debug)]
pub enum Target {
    /// An emulator that gives each test an account of its own.
    Emulator {
        /// Its URL.
        url: String,
        /// Which.
        emulator: Emulator,
    },
    /// One URL for all services.
    Url(String),
    /// AWS itself.
    Aws,
}

impl Target {
    /// What `SHOWCORE_TEST_ENDPOINT` says: `aws`, or a URL.
    pub fn of(endpoint: &str) -> Self {
        if endpoint == "aws" { Self::Aws } else { Self::Url(endpoint.trim_end_matches('/').to_owned()) }
    }

    /// <https://docs.aws.amazon.com/general/latest/gr/rande.html>
    fn origin(&self, service: &str, region: &str) -> String {
        match self {
            Self::Emulator { url, .. } | Self::Url(url) => url.clone(),
            Self::Aws => format!("https://{service}.{region}.amazonaws.com"),
        }
    }
}

/// Sends requests on, as the judge needs them.
pub struct Forward {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    target: Target,
    names: Option<Names>,
    signer: Option<Signer>,
}

impl Forward {
    /// With names, those that tests give are this run's own at the judge; with a signer, requests are signed anew.
    pub fn new(target: Target, names: Option<Names>, signer: Option<Signer>) -> Result<Self> {
        let https = HttpsConnectorBuilder::new().with_tls_config(tls()?).https_or_http().enable_http1().build();
        Ok(Self { client: Client::builder(TokioExecutor::new()).build(https), target, names, signer })
    }

    fn outwards(&self, mut forwarded: Forwarded) -> std::result::Result<Request<Bytes>, String> {
        if let Some(names) = &self.names {
            names.outwards(&mut forwarded)?;
        }
        let Forwarded { service, region, access_key, account, mut parts, body, .. } = forwarded;
        let path = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let url = format!("{}{path}", self.target.origin(&service, &region));
        parts.uri = url.parse().map_err(|error| format!("{url}: {error}"))?;
        for name in
            [header::HOST, header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::EXPECT]
        {
            parts.headers.remove(name);
        }
        if let Target::Emulator { emulator, .. } = &self.target {
            emulator.in_account(&mut parts.headers, &access_key, &account);
        }
        let mut request = Request::from_parts(parts, body);
        if let Some(signer) = &self.signer {
            let host = host(request.uri())?;
            request.headers_mut().insert(header::HOST, host);
            signer.sign(&mut request, &service, &region)?;
        }
        Ok(request)
    }
}

#[async_trait]
impl Upstream for Forward {
    async fn send(&self, forwarded: Forwarded) -> std::result::Result<Response<Bytes>, String> {
        let operation = format!("{}:{}", forwarded.service, forwarded.operation);
        let head = forwarded.parts.method == http::Method::HEAD;
        let request = self.outwards(forwarded)?;
        let unreachable = |error: &dyn std::error::Error| {
            let mut why = format!("{operation}: the judge does not answer: {error}");
            let mut source = error.source();
            while let Some(error) = source {
                // Writing to a String cannot fail.
                let _ = write!(why, ": {error}");
                source = error.source();
            }
            why
        };
        let response = self.client.request(request.map(Full::new)).await.map_err(|error| unreachable(&error))?;
        let (mut parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| unreachable(&error))?.to_bytes();
        if not_served(parts.status, &body) {
            eprintln!("{NOT_SERVED} {operation} (HTTP {})", parts.status.as_u16());
        }
        for name in [header::CONNECTION, header::TRANSFER_ENCODING] {
            parts.headers.remove(name);
        }
        // The length of what HEAD would have is news; any other is counted again.
        if !head {
            parts.headers.remove(header::CONTENT_LENGTH);
        }
        let body = match &self.names {
            Some(names) => names.inwards(&mut parts.headers, body),
            None => body,
        };
        Ok(Response::from_parts(parts, body))
    }
}

/// Whether the answer says that the operation is not known there, in one of the ways that emulators have: a code of AWS's for
/// it, 501, or a page for browsers.
fn not_served(status: http::StatusCode, body: &[u8]) -> bool {
    const CODES: [&str; 4] = ["NotImplemented", "InvalidAction", "UnknownOperation", "UnsupportedOperation"];
    if status.is_success() {
        return false;
    }
    let text = String::from_utf8_lossy(body);
    let start = text.trim_start().to_ascii_lowercase();
    status == http::StatusCode::NOT_IMPLEMENTED
        || start.starts_with("<!doctype html")
        || start.starts_with("<html")
        || CODES.iter().any(|code| text.contains(&format!("<Code>{code}")))
}

fn host(uri: &Uri) -> std::result::Result<HeaderValue, String> {
    let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    HeaderValue::from_str(authority).map_err(|error| error.to_string())
}

/// The system's certificate authorities, and those of `AWS_CA_BUNDLE`.
fn tls() -> Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(bundle) = variable("AWS_CA_BUNDLE") {
        let unusable = |error: &dyn std::fmt::Display| Error::Other(format!("AWS_CA_BUNDLE: {bundle}: {error}"));
        for certificate in CertificateDer::pem_file_iter(&bundle).map_err(|error| unusable(&error))? {
            let certificate = certificate.map_err(|error| unusable(&error))?;
            roots.add(certificate).map_err(|error| unusable(&error))?;
        }
    }
    let provider = rustls::crypto::aws_lc_rs::default_provider().into();
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Other(format!("no TLS: {error}")))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_served_is_told_from_what_is_refused() {
        let status = |status| http::StatusCode::from_u16(status).unwrap();
        assert!(not_served(status(501), b""));
        assert!(not_served(status(500), b"<!doctype html>\n<html lang=en>"));
        assert!(not_served(status(400), b"<ErrorResponse><Error><Code>InvalidAction</Code>"));
        assert!(!not_served(status(500), b"<Error><Code>InternalError</Code>"));
        assert!(!not_served(status(404), b"<Error><Code>NoSuchBucket</Code>"));
        assert!(!not_served(status(200), b"<html>an object</html>"));
    }

    #[test]
    fn aws_has_a_host_for_each_service_and_region() {
        assert_eq!(Target::of("aws").origin("rds", "eu-west-1"), "https://rds.eu-west-1.amazonaws.com");
        assert_eq!(Target::of("https://127.0.0.1:9297/").origin("rds", "eu-west-1"), "https://127.0.0.1:9297");
    }
}
