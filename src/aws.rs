//! AWS: the clients by region, the caller's identity, and the one place where a call is counted and its error
//! classified.

use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use aws_config::{BehaviorVersion, Region, SdkConfig, timeout::TimeoutConfig};
use aws_credential_types::provider::{ProvideCredentials, error::CredentialsError};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::{
    error::{Class, Failure},
    metrics::Metrics,
    ownership::Place,
};

/// How the process reaches AWS.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Region; the usual AWS variables and profile if absent.
    pub region: Option<String>,
    /// Endpoint for every service; the usual AWS variables and profile if absent.
    pub endpoint_url: Option<String>,
    /// A PEM file of further certificate authorities (`AWS_CA_BUNDLE`), which the SDK does not read by itself.
    pub ca_bundle: Option<std::path::PathBuf>,
}

/// The clients of the process.
#[derive(Debug)]
pub struct Aws {
    config: SdkConfig,
    clients: Mutex<HashMap<String, Clients>>,
    identity: tokio::sync::Mutex<Option<Identity>>,
}

/// Whose credentials the process has.
#[derive(Clone, Debug)]
struct Identity {
    account_id: String,
    partition: String,
    asked: Instant,
}

/// How far an earlier answer of STS's is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// If it is recent.
    Recent,
    /// Not at all.
    Nothing,
}

/// How long an answer of STS's counts as recent: a provider may begin to serve another account.
const RECENT: Duration = Duration::from_mins(5);

/// The clients of one region. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Clients {
    /// RDS.
    pub rds: aws_sdk_rds::Client,
    /// ElastiCache.
    pub elasticache: aws_sdk_elasticache::Client,
    /// S3.
    pub s3: aws_sdk_s3::Client,
}

impl Aws {
    /// Loads the configuration as every AWS SDK does.
    pub async fn load(options: Options) -> anyhow::Result<Self> {
        // One call may take 30 s with its retries, within the deadline of a pass.
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .operation_attempt_timeout(Duration::from_secs(12))
            .operation_timeout(Duration::from_secs(30))
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts);
        if let Some(region) = options.region {
            loader = loader.region(Region::new(region));
        }
        if let Some(url) = options.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        if let Some(file) = options.ca_bundle {
            let pem =
                std::fs::read(&file).map_err(|error| anyhow::anyhow!("AWS_CA_BUNDLE: {}: {error}", file.display()))?;
            let trust = TrustStore::default().with_pem_certificate(pem);
            let tls = TlsContext::builder().with_trust_store(trust).build()?;
            loader = loader.http_client(
                Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(tls).build_https(),
            );
        }
        Ok(Self { config: loader.load().await, clients: Mutex::default(), identity: tokio::sync::Mutex::default() })
    }

    /// The process's own region, if it has one.
    pub fn default_region(&self) -> Option<&str> {
        self.config.region().map(AsRef::as_ref)
    }

    /// The clients of a region.
    pub fn clients(&self, region: &str) -> Clients {
        let mut clients = self.clients.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        clients
            .entry(region.to_owned())
            .or_insert_with(|| {
                let config = self.config.to_builder().region(Region::new(region.to_owned())).build();
                // An endpoint of one's own has one host name for all buckets.
                let own = self.config.endpoint_url().is_some() || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some();
                let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(own).build();
                Clients {
                    rds: aws_sdk_rds::Client::new(&config),
                    elasticache: aws_sdk_elasticache::Client::new(&config),
                    s3: aws_sdk_s3::Client::from_conf(s3),
                }
            })
            .clone()
    }

    /// Where the operator acts, in this region: asked of STS.
    pub async fn place(&self, region: &str, metrics: &Metrics, trust: Trust) -> Result<Place, Failure> {
        let mut known = self.identity.lock().await;
        let recent = known.as_ref().filter(|identity| trust == Trust::Recent && identity.asked.elapsed() < RECENT);
        let identity = if let Some(identity) = recent {
            identity.clone()
        } else {
            let identity = self.ask(region, metrics).await?;
            known.insert(identity).clone()
        };
        Ok(Place { account_id: identity.account_id, partition: identity.partition, region: region.to_owned() })
    }

    async fn ask(&self, region: &str, metrics: &Metrics) -> Result<Identity, Failure> {
        const CALL: &str = "sts:GetCallerIdentity";
        // Without credentials nothing is sent, and the SDK's error looks like one of the network.
        let credentials = match self.config.credentials_provider() {
            Some(provider) => provider.provide_credentials().await.map(drop),
            None => Err(CredentialsError::not_loaded("no provider")),
        };
        if credentials.is_err() {
            let message = "the operator has no AWS credentials, or cannot load them: give its ServiceAccount a role, or set the usual AWS variables";
            return Err(Failure::own(CALL, Class::Stalled, "CredentialsRefused", message));
        }
        let config = self.config.to_builder().region(Region::new(region.to_owned())).build();
        let request = aws_sdk_sts::Client::new(&config).get_caller_identity();
        let answer = send(CALL, metrics, request.send()).await?;
        let partition = answer.arn().and_then(|arn| arn.split(':').nth(1)).unwrap_or("aws");
        let account_id = answer.account().unwrap_or_default().to_owned();
        Ok(Identity { account_id, partition: partition.to_owned(), asked: Instant::now() })
    }
}

/// Sends a call, counts it, and classifies its error. `call` is `service:Operation`.
pub async fn send<T, E>(
    call: &str,
    metrics: &Metrics,
    future: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
) -> Result<T, Failure>
where
    E: ProvideErrorMetadata + std::fmt::Debug,
{
    let result = future.await.map_err(|error| {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let said = error.as_service_error();
        // AWS's message is read and left out on purpose: it can carry request parameters (rule 11).
        Failure::aws(call, said.and_then(ProvideErrorMetadata::code), status)
            .reading(said.and_then(ProvideErrorMetadata::message).unwrap_or_default())
    });
    match &result {
        Ok(_) => metrics.call(call, ""),
        Err(failure) => {
            let code = if failure.code.is_empty() { failure.reason } else { failure.code.as_str() };
            metrics.call(call, code);
            tracing::debug!(call, code, "AWS answered with an error");
        }
    }
    result
}

/// Turns "not found" into `None`.
pub fn found<T>(result: Result<T, Failure>, not_found: &[&str]) -> Result<Option<T>, Failure> {
    match result {
        Ok(answer) => Ok(Some(answer)),
        Err(failure) if failure.is(not_found) => Ok(None),
        Err(failure) => Err(failure),
    }
}
