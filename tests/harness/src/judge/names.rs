//! Names of a run's own, at an endpoint where all tests share one account.
//!
//! What a test calls `orders` is `sck3f907a-orders` there: on the way out the names of what is made are prefixed, on the way
//! back the prefix is taken off. Everything made carries the run's tag, which tests do not see.

use std::sync::LazyLock;

use aws_sim::Forwarded;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use regex_lite::{Captures, Regex};
use sha2::{Digest as _, Sha256};

use super::sign::base64;

/// The tag of everything that is made; its value is the run's id.
pub const TAG: &str = "showcore-test-run";

/// An id for a run: four letters and digits.
pub fn new_run() -> String {
    const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyz23456789";
    (0..4).map(|_| char::from(LETTERS[rand::random_range(0..LETTERS.len())])).collect()
}

/// How the names of everything of a run begin.
pub fn prefix_of(run: &str) -> String {
    format!("sc{run}")
}

/// The members of requests that name what is made.
const MEMBERS: [&str; 12] = [
    "DBInstanceIdentifier",
    "NewDBInstanceIdentifier",
    "DBSnapshotIdentifier",
    "FinalDBSnapshotIdentifier",
    "DBParameterGroupName",
    "DBSubnetGroupName",
    "ReplicationGroupId",
    "CacheClusterId",
    "CacheParameterGroupName",
    "CacheSubnetGroupName",
    "SnapshotName",
    "FinalSnapshotIdentifier",
];

/// The operations that make something, besides S3's.
const MAKING: [&str; 8] = [
    "CreateDBInstance",
    "CreateDBParameterGroup",
    "CreateDBSnapshot",
    "CreateDBSubnetGroup",
    "CreateReplicationGroup",
    "CreateCacheCluster",
    "CreateCacheParameterGroup",
    "CreateSnapshot",
];

/// `arn:aws:rds:…:db:NAME`, `arn:aws:elasticache:…:replicationgroup:NAME`, `arn:aws:s3:::NAME`.
static ARN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(arn:aws[a-z-]*:(?:(?:rds|elasticache):[a-z0-9-]+:[0-9]{12}:[a-z]+:|s3:::))([a-zA-Z0-9])")
        .expect("a pattern")
});
static TARGET_BUCKET: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(<TargetBucket>)([a-z0-9])").expect("a pattern"));
static OUR_TAG: LazyLock<Regex> = LazyLock::new(|| {
    let (key, value) = (format!(r"\s*<Key>{TAG}</Key>"), r"\s*<Value>[^<]*</Value>");
    Regex::new(&format!(r"<Tag>(?:{key}{value}|{value}{key})\s*</Tag>")).expect("a pattern")
});

/// The names and the tag of one test of a run.
#[derive(Clone, Debug)]
pub struct Names {
    run: String,
    prefix: String,
}

impl Names {
    /// Of the `world`-th world of the `number`-th test.
    pub fn new(run: &str, number: usize, world: usize) -> Self {
        let world = char::from(b'a' + u8::try_from(world % 26).unwrap_or_default());
        Self { run: run.to_owned(), prefix: format!("{}{number:03}{world}-", prefix_of(run)) }
    }

    /// Gives the request the run's names and tag.
    pub(crate) fn outwards(&self, request: &mut Forwarded) -> Result<(), String> {
        if request.service == "s3" { self.object_request(request) } else { self.form(request) }
    }

    /// Gives the answer the names that the test knows, and takes the run's tag off.
    pub(crate) fn inwards(&self, headers: &mut HeaderMap, body: Bytes) -> Bytes {
        for value in headers.values_mut() {
            let text = value.to_str().unwrap_or_default();
            if text.contains(&self.prefix)
                && let Ok(plain) = HeaderValue::from_str(&text.replace(&self.prefix, ""))
            {
                *value = plain;
            }
        }
        let Ok(text) = std::str::from_utf8(&body) else { return body };
        Bytes::from(OUR_TAG.replace_all(&text.replace(&self.prefix, ""), "").into_owned())
    }

    fn form(&self, request: &mut Forwarded) -> Result<(), String> {
        if request.parts.headers.contains_key("x-amz-target") {
            return Err(format!("{}:{} would name something of all tests", request.service, request.operation));
        }
        let mut form: Vec<(String, String)> = form_urlencoded::parse(&request.body).into_owned().collect();
        for (name, value) in &mut form {
            let member = name.split('.').next().unwrap_or_default();
            if MEMBERS.contains(&member) && !value.starts_with("default") {
                *value = format!("{}{value}", self.prefix);
            } else {
                *value = self.arns(value);
            }
        }
        if MAKING.contains(&request.operation.as_str()) {
            let tags = form.iter().filter(|(name, _)| name.starts_with("Tags.Tag.") && name.ends_with(".Key")).count();
            for (part, value) in [("Key", TAG), ("Value", &self.run)] {
                form.push((format!("Tags.Tag.{}.{part}", tags + 1), value.to_owned()));
            }
        }
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        request.body = body.into();
        Ok(())
    }

    fn arns(&self, text: &str) -> String {
        let prefixed = |found: &Captures<'_>| format!("{}{}{}", &found[1], self.prefix, &found[2]);
        ARN.replace_all(text, prefixed).into_owned()
    }

    fn object_request(&self, request: &mut Forwarded) -> Result<(), String> {
        let path = request.parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        if let Some(rest) = path.strip_prefix('/').filter(|rest| !rest.is_empty() && !rest.starts_with('?')) {
            let path = format!("/{}{rest}", self.prefix);
            request.parts.uri = path.parse::<Uri>().map_err(|error| format!("{path}: {error}"))?;
        }
        request.body = aws_sim::s3::plain_body(&mut request.parts, request.body.clone()).unwrap_or_default();
        if let Ok(text) = std::str::from_utf8(&request.body)
            && request.operation != "PutObject"
        {
            let prefixed = |found: &Captures<'_>| format!("{}{}{}", &found[1], self.prefix, &found[2]);
            let text = TARGET_BUCKET.replace_all(&self.arns(text), prefixed).into_owned();
            request.body = self.tagged(&request.operation, text).into();
        }
        let headers = &mut request.parts.headers;
        headers.remove("content-md5");
        let checksums: Vec<HeaderName> =
            headers.keys().filter(|name| name.as_str().contains("checksum")).cloned().collect();
        for name in checksums {
            headers.remove(name);
        }
        if !request.body.is_empty() {
            let digest = base64(&Sha256::digest(&request.body));
            headers.insert("x-amz-checksum-sha256", HeaderValue::from_str(&digest).map_err(|error| error.to_string())?);
        }
        Ok(())
    }

    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html>,
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketTagging.html>.
    fn tagged(&self, operation: &str, body: String) -> String {
        let tag = format!("<Tag><Key>{TAG}</Key><Value>{}</Value></Tag>", self.run);
        match operation {
            "PutBucketTagging" => body.replace("</TagSet>", &format!("{tag}</TagSet>")),
            "CreateBucket" if body.contains("</Tags>") => body.replace("</Tags>", &format!("{tag}</Tags>")),
            "CreateBucket" if body.contains("</CreateBucketConfiguration>") => {
                body.replace("</CreateBucketConfiguration>", &format!("<Tags>{tag}</Tags></CreateBucketConfiguration>"))
            }
            "CreateBucket" => format!(
                "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Tags>{tag}</Tags></CreateBucketConfiguration>"
            ),
            _ => body,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(service: &str, operation: &str, uri: &str, body: &str) -> (String, String) {
        let (parts, ()) = http::Request::builder().uri(uri).body(()).unwrap().into_parts();
        let mut request = Forwarded {
            service: service.into(),
            region: "eu-central-1".into(),
            access_key: String::new(),
            account: String::new(),
            operation: operation.into(),
            parts,
            body: Bytes::copy_from_slice(body.as_bytes()),
        };
        Names::new("k3f9", 7, 0).outwards(&mut request).unwrap();
        (request.parts.uri.to_string(), String::from_utf8(request.body.to_vec()).unwrap())
    }

    #[test]
    fn what_a_form_names_is_the_runs_own_and_tagged() {
        let body = "Action=CreateDBInstance&DBInstanceIdentifier=orders&DBParameterGroupName=default.postgres16&Tags.Tag.1.Key=a&Tags.Tag.1.Value=b";
        let wanted = "Action=CreateDBInstance&DBInstanceIdentifier=sck3f9007a-orders&DBParameterGroupName=default.postgres16&Tags.Tag.1.Key=a&Tags.Tag.1.Value=b&Tags.Tag.2.Key=showcore-test-run&Tags.Tag.2.Value=k3f9";
        assert_eq!(sent("rds", "CreateDBInstance", "/", body).1, wanted);
        let body = "Action=ListTagsForResource&ResourceName=arn%3Aaws%3Ards%3Aeu-west-1%3A123456789012%3Adb%3Aorders";
        assert!(sent("rds", "ListTagsForResource", "/", body).1.ends_with("%3Adb%3Asck3f9007a-orders"));
    }

    #[test]
    fn what_s3_is_asked_about_is_the_runs_own() {
        let policy =
            r#"{"Resource":["arn:aws:s3:::held","arn:aws:s3:::held/*"],"Principal":"arn:aws:iam::123456789012:root"}"#;
        let (uri, body) = sent("s3", "PutBucketPolicy", "/held?policy", policy);
        assert_eq!(uri, "/sck3f9007a-held?policy");
        let wanted = r#"{"Resource":["arn:aws:s3:::sck3f9007a-held","arn:aws:s3:::sck3f9007a-held/*"],"Principal":"arn:aws:iam::123456789012:root"}"#;
        assert_eq!(body, wanted);
        assert_eq!(sent("s3", "ListBuckets", "/?x-id=ListBuckets", "").0, "/?x-id=ListBuckets");
        let logging = sent("s3", "PutBucketLogging", "/held?logging", "<TargetBucket>logs</TargetBucket>").1;
        assert_eq!(logging, "<TargetBucket>sck3f9007a-logs</TargetBucket>");
        assert!(sent("s3", "CreateBucket", "/held", "").1.contains("<Key>showcore-test-run</Key>"));
    }

    #[test]
    fn what_is_answered_is_what_the_test_knows() {
        let names = Names::new("k3f9", 7, 0);
        let answer = "<TagSet><Tag><Key>showcore-test-run</Key><Value>k3f9</Value></Tag><Tag><Key>a</Key><Value>b</Value></Tag></TagSet><Name>sck3f9007a-held</Name>";
        let mut headers =
            HeaderMap::from_iter([(http::header::LOCATION, HeaderValue::from_static("/sck3f9007a-held"))]);
        let plain = names.inwards(&mut headers, Bytes::from_static(answer.as_bytes()));
        assert_eq!(plain, "<TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet><Name>held</Name>");
        assert_eq!(headers[http::header::LOCATION], "/held");
    }
}
