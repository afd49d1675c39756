//! The AWS stand-in, judged by clients that no one here wrote: boto3 and the `aws` CLI.
//!
//! The suites are Python's `unittest`, in `tests/aws-sim/suite`. Each runs against a stand-in of its own, once over
//! HTTP and once over HTTPS, and no answer may break AWS's model.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use aws_sim::{Options, Sim, Tls};
use harness::Aws;

async fn judged_by(suite: &str, over_https: bool) {
    let sim = Sim::new(Options { speed: 0.0 });
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("ca.pem");
    let tls = over_https.then(|| Tls::self_signed().unwrap());
    if let Some(tls) = &tls {
        std::fs::write(&bundle, tls.ca_pem()).unwrap();
    }
    let server = sim.start(([127, 0, 0, 1], 0).into(), tls).await.unwrap();
    let access_key = harness::test::new_access_key();
    let endpoint = server.endpoint();
    let aws = Aws::new(&access_key, &endpoint, "eu-central-1").await.unwrap();
    let bundle = bundle.to_string_lossy();
    let mut more = vec![("SIM_ENDPOINT", endpoint.as_str()), ("SIM_ACCESS_KEY", access_key.as_str())];
    if over_https {
        more.push(("AWS_CA_BUNDLE", &bundle));
    }
    let script = format!("{}/tests/aws-sim/suite/{suite}.py", env!("CARGO_MANIFEST_DIR"));
    let output = aws.python(&["-B", "-m", "unittest", "-v", &script], &more).await.unwrap();
    assert!(output.success(), "{output}");
    assert!(output.stderr.contains("\nOK"), "{output}");
    assert_eq!(sim.violations(), Vec::<String>::new());
}

macro_rules! suites {
    ($($name:ident: $suite:literal over $https:literal),+ $(,)?) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            judged_by($suite, $https).await;
        })+
    };
}

suites! {
    s3_over_http: "s3_suite" over false,
    s3_over_https: "s3_suite" over true,
    rds_over_http: "rds_suite" over false,
    rds_over_https: "rds_suite" over true,
    elasticache_over_http: "elasticache_suite" over false,
    elasticache_over_https: "elasticache_suite" over true,
    kms_and_sts_over_http: "kms_sts_suite" over false,
    kms_and_sts_over_https: "kms_sts_suite" over true,
}
