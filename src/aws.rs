//! AWS: the clients by region, the caller's identity, and the one place where a call is counted and its error
//! classified.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::sync::OnceCell;

use crate::{error::Failure, metrics::Metrics, ownership::Place};

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
    identity: OnceCell<(String, String)>,
}

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
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            .timeout_config(timeouts);
        if let Some(region) = options.region {
            loader = loader.region(Region::new(region));
        }
        if let Some(url) = options.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        if let Some(file) = options.ca_bundle {
            let pem = std::fs::read(&file).map_err(|error| anyhow::anyhow!("AWS_CA_BUNDLE: {}: {error}", file.display()))?;
            let trust = TrustStore::default().with_pem_certificate(pem);
            let tls = TlsContext::builder().with_trust_store(trust).build()?;
            loader = loader.http_client(
                Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(tls).build_https(),
            );
        }
        Ok(Self { config: loader.load().await, clients: Mutex::default(), identity: OnceCell::new() })
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
                let s3 = aws_sdk_s3::config::Builder::from(&config)
                    .force_path_style(self.config.endpoint_url().is_some())
                    .build();
                Clients {
                    rds: aws_sdk_rds::Client::new(&config),
                    elasticache: aws_sdk_elasticache::Client::new(&config),
                    s3: aws_sdk_s3::Client::from_conf(s3),
                }
            })
            .clone()
    }

    /// Where the operator acts, in this region. Asked of STS once.
    pub async fn place(&self, region: &str, metrics: &Metrics) -> Result<Place, Failure> {
        let identity = self.identity.get_or_try_init(|| async {
            let config = self.config.to_builder().region(Region::new(region.to_owned())).build();
            let request = aws_sdk_sts::Client::new(&config).get_caller_identity();
            let answer = send("sts:GetCallerIdentity", metrics, request.send()).await?;
            let partition = answer.arn().and_then(|arn| arn.split(':').nth(1)).unwrap_or("aws");
            Ok::<_, Failure>((answer.account().unwrap_or_default().to_owned(), partition.to_owned()))
        });
        let (account_id, partition) = identity.await?.clone();
        Ok(Place { account_id, partition, region: region.to_owned() })
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
        // AWS's message is left out on purpose: it can carry request parameters (rule 11).
        Failure::aws(call, error.as_service_error().and_then(ProvideErrorMetadata::code), status)
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
