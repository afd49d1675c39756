//! What is fuzzed: all that parses what others wrote. Each function takes any bytes, and must neither panic nor take more
//! memory than an answer may have. `fuzz/run` runs them under libFuzzer; the corpus is also a part of `cargo test`.

#![allow(clippy::missing_panics_doc, reason = "that is what is looked for")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn},
    orchestrator::{HttpRequest, HttpResponse},
};
use aws_smithy_types::body::SdkBody;
use k8s_openapi::jiff::Timestamp;
use kube::{ResourceExt, runtime::events::Reporter};
use serde_json::Value;
use showcore_operator::{
    aws::{Aws, Options},
    backoff::Memory,
    bucket::ShowCoreBucket,
    cache::ShowCoreCache,
    conditions,
    context::{Clock, Context, Timing},
    database::ShowCoreDatabase,
    decision::Presence,
    fence::Fence,
    kind::{Kind, Look},
    metrics::Metrics,
    ownership::{Owner, Place},
    policy, reconcile,
    status::Status,
};

/// AWS's answers to one look, one after the other, `====` between them; the first line of each is its HTTP status. In a
/// body, `<HUGE/>` stands for much more than any answer has. The last answer is given again and again.
pub fn aws_answers(data: &[u8]) {
    let answers = Answers::parse(data);
    looks(&answers, b"", &database());
    looks_at_caches_and_buckets(&answers, b"");
}

/// What a Secret of the connection's name holds.
pub fn secrets(data: &[u8]) {
    let answers = Answers::parse(include_bytes!("../corpus/aws_answers/database"));
    looks(&answers, data, &database());
}

/// An object of each kind, as JSON: its spec, its status and its annotations may be of any other version, or a person's.
pub fn objects(data: &[u8]) {
    let nothing = Answers::parse(b"404\n<ErrorResponse><Error><Code>DBInstanceNotFound</Code></Error></ErrorResponse>");
    if let Ok(object) = serde_json::from_slice::<ShowCoreDatabase>(data) {
        looks(&nothing, b"", &object);
    }
    let nothing = Answers::parse(
        b"404\n<ErrorResponse><Error><Code>ReplicationGroupNotFoundFault</Code></Error></ErrorResponse>",
    );
    if let Ok(object) = serde_json::from_slice::<ShowCoreCache>(data) {
        looks(&nothing, b"", &object);
    }
    let nothing = Answers::parse(b"404\n<Error><Code>NoSuchBucket</Code></Error>");
    if let Ok(object) = serde_json::from_slice::<ShowCoreBucket>(data) {
        looks(&nothing, b"", &object);
    }
}

/// A bucket's policy as others wrote it. What we make of it denies requests without TLS and lets no outsider in.
pub fn bucket_policies(data: &[u8]) {
    let Ok(theirs) = serde_json::from_slice::<Value>(data) else { return };
    let place = place();
    let enforced = policy::tls_only("arn:aws:s3:::shop");
    let merged = policy::merged(Some(&theirs), std::slice::from_ref(&enforced), &[], &[], &place);
    assert!(policy::holds(Some(&merged), &enforced), "TLS is enforced: {merged}");
    assert!(policy::foreign_allows(Some(&merged), &[], &place).is_empty(), "no outsider is let in: {merged}");
    for statement in policy::statements(Some(&theirs)) {
        let (_, _) = (policy::in_words(&statement), policy::in_full(&statement));
        let (_, _) = (policy::is_public(&statement), policy::sid(&statement));
    }
}

fn database() -> ShowCoreDatabase {
    from(r#"{"metadata": {"name": "shop", "namespace": "ns", "uid": "u1"}, "spec": {"parameters": {"work_mem": "1"}}}"#)
}

fn looks_at_caches_and_buckets(answers: &Answers, secret: &[u8]) {
    let cache: ShowCoreCache = from(
        r#"{"metadata": {"name": "shop", "namespace": "ns", "uid": "u1"}, "spec": {"parameters": {"timeout": "1"}}}"#,
    );
    looks(answers, secret, &cache);
    let bucket: ShowCoreBucket = from(
        r#"{"metadata": {"name": "shop", "namespace": "ns", "uid": "u1"}, "spec": {"purpose": "CloudTrailLogs"}}"#,
    );
    looks(answers, secret, &bucket);
}

fn from<K: Kind>(json: &str) -> K {
    serde_json::from_str(json).expect("an object")
}

/// One look at this object, and what is decided and told on it.
fn looks<K: Kind>(answers: &Answers, secret: &[u8], object: &K) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let cx = context(answers, secret).await;
        let owner = Owner { cluster: "c".into(), object: format!("{}/ns/shop", K::KIND), uid: "u1".into() };
        let place = place();
        let identifier = object.identifier(&place);
        let aws = cx.aws.clients("eu-central-1");
        let look = Look { cx: &cx, aws, place, identifier, owner, deleting: false };
        let Ok(Ok(seen)) = tokio::time::timeout(Duration::from_secs(5), object.observe(&look)).await else { return };
        let (name, pin) = (object.name_any(), reconcile::pin(object));
        for presence in [Presence::Present, Presence::Absent(object.deletion_policy())] {
            let wanted = look.wanted(object, &name, pin.as_ref(), presence, false);
            let decision = K::decide(&wanted, &seen, Timestamp::UNIX_EPOCH);
            let told: Status = conditions::status(object.status(), &decision, 1, Timestamp::UNIX_EPOCH);
            let _ = conditions::events(object.status(), &told);
        }
    });
}

fn place() -> Place {
    Place { account_id: "111122223333".into(), partition: "aws".into(), region: "eu-central-1".into() }
}

async fn context(answers: &Answers, secret: &[u8]) -> Context {
    let secret = secret.to_vec();
    let cluster = tower::service_fn(move |_: http::Request<kube::client::Body>| {
        let status = if secret.is_empty() { 404 } else { 200 };
        let body = if secret.is_empty() {
            br#"{"kind":"Status","code":404,"reason":"NotFound"}"#.to_vec()
        } else {
            secret.clone()
        };
        let answer = http::Response::builder().status(status).body(kube::client::Body::from(body));
        async move { answer }
    });
    let options = Options {
        region: Some("eu-central-1".into()),
        credentials: Some(SharedCredentialsProvider::new(Credentials::new("k", "s", None, None, "fuzz"))),
        http: Some(answers.client()),
        ..Options::default()
    };
    Context {
        client: kube::Client::new(cluster, "ns"),
        aws: Arc::new(Aws::load(options, &Fence::open()).await.expect("AWS's clients")),
        cluster_id: "c".into(),
        namespace: None,
        clock: Clock::System,
        timing: Timing {
            poll: Duration::ZERO,
            backoff_min: Duration::ZERO,
            backoff_max: Duration::ZERO,
            not_found_grace: Duration::from_secs(30),
            pass: Duration::ZERO,
        },
        reporter: Reporter { controller: "fuzz".into(), instance: None },
        metrics: Arc::new(Metrics::default()),
        memory: Arc::new(Memory::default()),
    }
}

/// An HTTP status and a body, each.
#[derive(Clone, Debug)]
struct Answers(Arc<Vec<(u16, Vec<u8>)>>, Arc<AtomicUsize>);

impl Answers {
    fn parse(data: &[u8]) -> Self {
        const BETWEEN: &[u8] = b"\n====\n";
        let mut answers = Vec::new();
        let mut rest = data;
        loop {
            let end = rest.windows(BETWEEN.len()).position(|part| part == BETWEEN);
            let one = &rest[..end.unwrap_or(rest.len())];
            let line = one.iter().position(|byte| *byte == b'\n').unwrap_or(one.len());
            let status = std::str::from_utf8(&one[..line]).ok().and_then(|text| text.trim().parse().ok());
            let mut body = one.get(line + 1..).unwrap_or_default().to_vec();
            if let Some(at) = body.windows(7).position(|part| part == b"<HUGE/>") {
                body.splice(at..at + 7, std::iter::repeat_n(b'x', 64 << 20));
            }
            // The SDK tries a server's error again, which takes time and shows nothing new.
            answers.push((status.filter(|status| (200..500).contains(status)).unwrap_or(200), body));
            match end {
                Some(end) if answers.len() < 16 => rest = &rest[end + BETWEEN.len()..],
                _ => break,
            }
        }
        Self(Arc::new(answers), Arc::new(AtomicUsize::new(0)))
    }

    fn client(&self) -> SharedHttpClient {
        self.1.store(0, Ordering::SeqCst);
        let answers = self.clone();
        http_client_fn(move |_, _| SharedHttpConnector::new(answers.clone()))
    }
}

impl HttpConnector for Answers {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let at = self.1.fetch_add(1, Ordering::SeqCst).min(self.0.len() - 1);
        let (status, body) = &self.0[at];
        let answer = HttpResponse::new((*status).try_into().expect("a status"), SdkBody::from(body.clone()));
        HttpConnectorFuture::ready(Ok(answer))
    }
}

#[cfg(test)]
mod tests {
    /// Runs all files of a target's corpus through it.
    fn corpus(target: &str, fuzzed: fn(&[u8])) {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        let mut files = 0;
        for file in std::fs::read_dir(&folder).unwrap() {
            fuzzed(&std::fs::read(file.unwrap().path()).unwrap());
            files += 1;
        }
        assert!(files > 0, "{} is empty", folder.display());
    }

    #[test]
    fn the_corpus_of_answers_of_awss() {
        corpus("aws_answers", super::aws_answers);
    }

    #[test]
    fn the_corpus_of_secrets() {
        corpus("secrets", super::secrets);
    }

    #[test]
    fn the_corpus_of_objects() {
        corpus("objects", super::objects);
    }

    #[test]
    fn the_corpus_of_bucket_policies() {
        corpus("bucket_policies", super::bucket_policies);
    }
}
