//! What S3's answers about a bucket come to: how it is encrypted, and where it is.

use super::{Step, Wanted};
use crate::{
    bucket::Bucket,
    decision::{Encrypted, Verdict},
    error::note,
    policy,
    status::{AtRest, EncryptionStatus, InTransit, ResourceStatus},
};

/// Ready once it is encrypted; what is not is on its way, or a human must act.
pub(super) fn verdict(encrypted: &Encrypted, steps: &[Step]) -> Verdict {
    match encrypted {
        Encrypted::Yes(_) => {
            Verdict::Ready(note("Available", "the bucket is there, encrypted, and refuses requests without TLS"))
        }
        Encrypted::No(why) if steps.is_empty() => Verdict::Stalled(why.clone()),
        _ => Verdict::Working(note("Configuring", "the bucket is being set up")),
    }
}

pub(super) fn encrypted(wanted: &Wanted<'_>, bucket: &Bucket) -> Encrypted {
    let status = encryption(wanted, bucket);
    if status.at_rest.algorithm == "None" {
        return Encrypted::No(note("NotAtRest", "S3 answers no default encryption for the bucket"));
    }
    if !status.in_transit.enforced {
        return Encrypted::No(note("NotInTransit", "the bucket policy does not deny requests without TLS"));
    }
    match status.at_rest.key_management.as_str() {
        "SSE-S3" => Encrypted::Yes(note("SSES3", "AES256 with S3's own keys; requests without TLS are denied")),
        _ => Encrypted::Yes(note("KMSKey", "SSE-KMS; requests without TLS are denied")),
    }
}

/// Encryption as S3 answered it.
pub(super) fn encryption(wanted: &Wanted<'_>, bucket: &Bucket) -> EncryptionStatus {
    let (algorithm, key_management) = match &bucket.encryption {
        None => ("None", "None"),
        Some(sse) if sse.algorithm == "AES256" => ("AES256", "SSE-S3"),
        // Without a key S3 uses aws/s3: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
        Some(sse) if sse.key.is_none() => (sse.algorithm.as_str(), "AWSManagedKey"),
        Some(sse) => (sse.algorithm.as_str(), "CustomerManagedKey"),
    };
    EncryptionStatus {
        at_rest: AtRest {
            algorithm: algorithm.to_owned(),
            key_management: key_management.to_owned(),
            key_arn: bucket.encryption.as_ref().and_then(|sse| sse.key.clone()),
        },
        in_transit: InTransit {
            enforced: policy::holds(bucket.policy.as_ref(), &policy::tls_only(&arn(wanted))),
            by: "bucket policy: Deny unless aws:SecureTransport".to_owned(),
        },
        backups: None,
    }
}

pub(super) fn resource(wanted: &Wanted<'_>) -> ResourceStatus {
    ResourceStatus {
        arn: arn(wanted),
        identifier: wanted.identifier.to_owned(),
        member: None,
        region: wanted.place.region.clone(),
        account_id: wanted.place.account_id.clone(),
        status: "available".to_owned(),
    }
}

pub(super) fn arn(wanted: &Wanted<'_>) -> String {
    format!("arn:{}:s3:::{}", wanted.place.partition, wanted.identifier)
}

pub(super) fn host(wanted: &Wanted<'_>) -> String {
    let suffix = if wanted.place.partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("{}.s3.{}.{suffix}", wanted.identifier, wanted.place.region)
}
