//! Signatures with the user's own credentials.

use std::time::SystemTime;

use aws_config::BehaviorVersion;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;

use crate::error::{Error, Result};

/// Signs requests as the user.
#[derive(Clone, Debug)]
pub struct Signer {
    credentials: Credentials,
}

impl Signer {
    /// The credentials that the standard AWS variables, files and services give.
    pub async fn of_the_user() -> Result<Self> {
        let config = aws_config::defaults(BehaviorVersion::latest()).load().await;
        let missing = |why: String| Error::Other(format!("there are no AWS credentials: {why}"));
        let provider = config.credentials_provider().ok_or_else(|| missing("no provider is configured".to_owned()))?;
        let credentials = provider.provide_credentials().await.map_err(|error| {
            use std::error::Error as _;
            missing(error.source().map_or_else(|| error.to_string(), ToString::to_string))
        })?;
        Ok(Self { credentials })
    }

    /// Replaces the signature of a request. Its headers are those that are sent, without `Host`'s former value.
    pub fn sign(&self, request: &mut http::Request<Bytes>, service: &str, region: &str) -> Result<(), String> {
        for name in ["authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"] {
            request.headers_mut().remove(name);
        }
        let mut settings = SigningSettings::default();
        if service == "s3" {
            // https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        }
        let identity = self.credentials.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(service)
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .map_err(|error| error.to_string())?
            .into();
        let headers = request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let signable = SignableRequest::new(
            request.method().as_str(),
            request.uri().to_string(),
            headers,
            SignableBody::Bytes(request.body()),
        )
        .map_err(|error| error.to_string())?;
        let (instructions, _) = sign(signable, &parameters).map_err(|error| error.to_string())?.into_parts();
        instructions.apply_to_request_http1x(request);
        Ok(())
    }
}

/// Bytes as base64.
pub(super) fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
