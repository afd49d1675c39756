//! AWS: the clients by region, the caller's identity, and the one place where a call is counted and its error
//! classified.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError};
use aws_smithy_http_client::{
    ConnectorBuilder,
    proxy::ProxyConfig,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn},
    orchestrator::{HttpRequest, HttpResponse},
    result::SdkError,
};
use aws_smithy_types::{body::SdkBody, error::metadata::ProvideErrorMetadata};
use http_body_util::Limited;

use crate::{
    error::{Class, Failure},
    fence::Fence,
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
    /// Credentials; the usual AWS variables, profile and roles if absent.
    pub credentials: Option<SharedCredentialsProvider>,
    /// How often, and how soon, a call is tried again; as the usual AWS variables and the SDK say if absent.
    pub retries: Option<RetryConfig>,
    /// What sends the requests; the SDKs' usual HTTP client if absent.
    pub http: Option<SharedHttpClient>,
}

/// The greatest answer that is read. AWS's longest pages have some hundred kilobytes; what has more is not from AWS, and
/// must not take the process's memory.
const ANSWER_LIMIT: usize = 16 << 20;

/// The clients of the process.
#[derive(Debug)]
pub struct Aws {
    config: SdkConfig,
    clients: Mutex<HashMap<String, Clients>>,
    identity: Mutex<Option<Identity>>,
    /// One who asks in each region: where STS does not answer, only that region's objects wait.
    asking: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

/// Whose credentials the process has.
#[derive(Clone, Debug)]
struct Identity {
    account_id: String,
    partition: String,
    asked: Instant,
}

impl Identity {
    fn place(self, region: &str) -> Place {
        Place { account_id: self.account_id, partition: self.partition, region: region.to_owned() }
    }
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
    /// Loads the configuration as every AWS SDK does. The clients send nothing while the fence is closed.
    pub async fn load(options: Options, fence: &Fence) -> anyhow::Result<Self> {
        // One call may take 30 s with its retries, within the deadline of a pass.
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .operation_attempt_timeout(Duration::from_secs(12))
            .operation_timeout(Duration::from_secs(30))
            .build();
        let mut trust = TrustStore::default();
        if let Some(file) = options.ca_bundle {
            let pem =
                std::fs::read(&file).map_err(|error| anyhow::anyhow!("AWS_CA_BUNDLE: {}: {error}", file.display()))?;
            trust = trust.with_pem_certificate(pem);
        }
        let usual = http_client(TlsContext::builder().with_trust_store(trust).build()?);
        let http = bounded(options.http.unwrap_or(usual));
        let mut loader =
            aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts).http_client(http.clone());
        if let Some(region) = options.region {
            loader = loader.region(Region::new(region));
        }
        if let Some(url) = options.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        if let Some(credentials) = options.credentials {
            loader = loader.credentials_provider(credentials);
        }
        if let Some(retries) = options.retries {
            loader = loader.retry_config(retries);
        }
        // What looks for the region and for credentials asks only, so it needs no fence.
        let config = loader.load().await.into_builder().http_client(fence.aws(http)).build();
        Ok(Self { config, clients: Mutex::default(), identity: Mutex::default(), asking: Mutex::default() })
    }

    /// The process's own region, if it has one.
    pub fn default_region(&self) -> Option<&str> {
        self.config.region().map(AsRef::as_ref)
    }

    /// The clients of a region.
    pub fn clients(&self, region: &str) -> Clients {
        let mut clients = lock(&self.clients);
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
        let recent = || {
            let known = lock(&self.identity).clone();
            known.filter(|identity| trust == Trust::Recent && identity.asked.elapsed() < RECENT)
        };
        if let Some(identity) = recent() {
            return Ok(identity.place(region));
        }
        let asking = lock(&self.asking).entry(region.to_owned()).or_default().clone();
        let _alone = asking.lock().await;
        if let Some(identity) = recent() {
            return Ok(identity.place(region));
        }
        let identity = self.ask(region, metrics).await?;
        *lock(&self.identity) = Some(identity.clone());
        Ok(identity.place(region))
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

/// The same client, which reads no answer beyond [`ANSWER_LIMIT`].
fn bounded(client: SharedHttpClient) -> SharedHttpClient {
    http_client_fn(move |settings, components| {
        SharedHttpConnector::new(Bounded(client.http_connector(settings, components)))
    })
}

#[derive(Debug)]
struct Bounded(SharedHttpConnector);

impl HttpConnector for Bounded {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async move {
            Ok(answer.await?.map(|body| SdkBody::from_body_1_x(Limited::new(body, ANSWER_LIMIT))))
        })
    }
}

/// The SDKs' usual HTTP client, with this trust store: like theirs it heeds the usual proxy variables.
fn http_client(tls: TlsContext) -> SharedHttpClient {
    // Each set of timeouts has a connector, and so a pool of connections, of its own.
    let connectors: Mutex<HashMap<_, SharedHttpConnector>> = Mutex::default();
    http_client_fn(move |settings, components| {
        let make = || {
            let mut builder = ConnectorBuilder::default()
                .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
                .tls_context(tls.clone())
                .proxy_config(ProxyConfig::from_env())
                .connector_settings(settings.clone());
            builder.set_sleep_impl(components.sleep_impl());
            SharedHttpConnector::new(builder.build())
        };
        let timeouts = (settings.connect_timeout(), settings.read_timeout());
        lock(&connectors).entry(timeouts).or_insert_with(make).clone()
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use aws_credential_types::Credentials;
    use futures::poll;
    use http_body_util::StreamBody;
    use hyper::body::{Bytes, Frame};

    use super::*;

    /// STS, which does not answer in one region.
    #[derive(Debug)]
    struct Sts;

    impl HttpConnector for Sts {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            if request.uri().contains("ap-south-2") {
                return HttpConnectorFuture::new(pending());
            }
            let answer = "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/x</Arn>\
                <Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";
            HttpConnectorFuture::new(ready(Ok(HttpResponse::new(200.try_into().unwrap(), SdkBody::from(answer)))))
        }
    }

    #[tokio::test]
    async fn an_answer_without_an_end_is_not_read_to_its_end() {
        let endless = http_client_fn(|_, _| SharedHttpConnector::new(Bounded(SharedHttpConnector::new(Endless))));
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new("k", "s", None, None, "test")))
            .retry_config(RetryConfig::disabled())
            .http_client(endless)
            .build();
        let answer = aws_sdk_rds::Client::new(&config).describe_db_instances().send();
        let answer = tokio::time::timeout(Duration::from_secs(20), answer).await.expect("it ends");
        assert!(answer.is_err());
    }

    /// What answers, and never stops.
    #[derive(Debug)]
    struct Endless;

    impl HttpConnector for Endless {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            let more = futures::stream::repeat_with(|| {
                Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(&[b' '; 1 << 14])))
            });
            let body = SdkBody::from_body_1_x(StreamBody::new(more));
            HttpConnectorFuture::new(ready(Ok(HttpResponse::new(200.try_into().unwrap(), body))))
        }
    }

    #[tokio::test]
    async fn a_region_whose_sts_does_not_answer_keeps_no_other_waiting() {
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new("k", "s", None, None, "test")))
            .http_client(http_client_fn(|_, _| SharedHttpConnector::new(Sts)))
            .build();
        let aws = Aws { config, clients: Mutex::default(), identity: Mutex::default(), asking: Mutex::default() };
        let metrics = Metrics::default();
        let mut hanging = Box::pin(aws.place("ap-south-2", &metrics, Trust::Nothing));
        let mut second = Box::pin(aws.place("ap-south-2", &metrics, Trust::Recent));
        assert!(poll!(hanging.as_mut()).is_pending() && poll!(second.as_mut()).is_pending());
        for trust in [Trust::Recent, Trust::Nothing, Trust::Recent] {
            let place = tokio::time::timeout(Duration::from_secs(5), aws.place("eu-central-1", &metrics, trust));
            let place = place.await.expect("it does not wait").unwrap();
            assert_eq!((place.account_id.as_str(), place.region.as_str()), ("123456789012", "eu-central-1"));
        }
        // What another region has learnt is enough for one that only wants a recent answer.
        assert!(aws.place("ap-south-2", &metrics, Trust::Recent).await.is_ok());
    }
}
