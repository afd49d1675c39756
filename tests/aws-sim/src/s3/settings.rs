//! What a bucket's settings may be.

use s3s::S3Result;
use s3s::dto::{BucketCannedACL, ObjectOwnership, ServerSideEncryption, ServerSideEncryptionRule};

use super::bucket::DefaultEncryption;
use super::refusal::{invalid_argument, malformed_xml, not_served, refusal};

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_OwnershipControlsRule.html>
pub fn check_ownership(ownership: Option<&str>) -> S3Result<()> {
    match ownership {
        None
        | Some(
            ObjectOwnership::BUCKET_OWNER_ENFORCED
            | ObjectOwnership::BUCKET_OWNER_PREFERRED
            | ObjectOwnership::OBJECT_WRITER,
        ) => Ok(()),
        Some(other) => Err(invalid_argument(format!("Invalid x-amz-object-ownership header: {other}"))),
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html>
pub fn check_bucket_acl(acl: Option<&str>, ownership: Option<&str>) -> S3Result<()> {
    match acl {
        None | Some(BucketCannedACL::PRIVATE) => Ok(()),
        Some(_) if ownership.is_none_or(|one| one == ObjectOwnership::BUCKET_OWNER_ENFORCED) => Err(refusal(
            "InvalidBucketAclWithObjectOwnership",
            400,
            "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
        )),
        Some(acl) => Err(not_served(format_args!("the bucket ACL {acl}"))),
    }
}

/// What a bucket's encryption becomes. A `PUT` says all of it: a blocked type
/// that it leaves out is not blocked any more (that AWS forgets it, too, is
/// not documented; forgetting shows who leaves it out).
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketEncryption.html>,
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/blocking-unblocking-s3-c-encryption-gpb.html>
pub fn new_encryption(
    rules: &[ServerSideEncryptionRule],
    blocked: Option<Vec<String>>,
    now: &DefaultEncryption,
) -> S3Result<DefaultEncryption> {
    let [rule] = rules else {
        return Err(malformed_xml());
    };
    let blocked_known = |types: &Vec<String>| match types.as_slice() {
        [] => false,
        types => types.iter().all(|one| one == "SSE-C") || types == ["NONE"],
    };
    if blocked.as_ref().is_some_and(|types| !blocked_known(types)) {
        return Err(malformed_xml());
    }
    let mut new = now.clone();
    match &rule.apply_server_side_encryption_by_default {
        // A rule that only blocks leaves the default as it is.
        None if blocked.is_none() => return Err(malformed_xml()),
        None => {}
        Some(default) => {
            let algorithm = default.sse_algorithm.as_str();
            match algorithm {
                ServerSideEncryption::AES256 if default.kms_master_key_id.is_some() => {
                    return Err(invalid_argument(
                        "a KMSMasterKeyID is not applicable if the default sse algorithm is not \
                         aws:kms or aws:kms:dsse",
                    ));
                }
                ServerSideEncryption::AES256 | ServerSideEncryption::AWS_KMS | ServerSideEncryption::AWS_KMS_DSSE => {}
                _ => return Err(malformed_xml()),
            }
            algorithm.clone_into(&mut new.algorithm);
            new.kms_key.clone_from(&default.kms_master_key_id);
            new.bucket_key = false;
        }
    }
    new.bucket_key = rule.bucket_key_enabled.unwrap_or(new.bucket_key);
    new.blocked = blocked.unwrap_or_default();
    Ok(new)
}

#[cfg(test)]
mod tests {
    use s3s::dto::ServerSideEncryptionByDefault;

    use super::*;

    fn now() -> DefaultEncryption {
        DefaultEncryption {
            algorithm: "AES256".to_owned(),
            kms_key: None,
            bucket_key: false,
            blocked: vec!["SSE-C".to_owned()],
        }
    }

    fn rule(algorithm: Option<&str>, kms_key: Option<&str>) -> ServerSideEncryptionRule {
        ServerSideEncryptionRule {
            apply_server_side_encryption_by_default: algorithm.map(|algorithm| ServerSideEncryptionByDefault {
                kms_master_key_id: kms_key.map(str::to_owned),
                sse_algorithm: ServerSideEncryption::from(algorithm.to_owned()),
            }),
            bucket_key_enabled: None,
        }
    }

    fn blocked(one: &str) -> Option<Vec<String>> {
        (!one.is_empty()).then(|| vec![one.to_owned()])
    }

    #[test]
    fn a_put_says_all_of_it() {
        let kms = rule(Some("aws:kms"), Some("alias/mine"));
        let new = new_encryption(&[kms], blocked("NONE"), &now()).expect("AWS takes it");
        assert_eq!((new.algorithm.as_str(), new.kms_key.as_deref()), ("aws:kms", Some("alias/mine")));
        assert_eq!(new.blocked, ["NONE"]);
        let left_out = new_encryption(&[rule(Some("AES256"), None)], blocked(""), &now()).expect("AWS takes it");
        assert!(left_out.blocked.is_empty());
        let only_blocks = new_encryption(&[rule(None, None)], blocked("SSE-C"), &new).expect("AWS takes it");
        assert_eq!(
            (only_blocks.algorithm.as_str(), only_blocks.blocked.as_slice()),
            ("aws:kms", &["SSE-C".to_owned()][..])
        );
    }

    #[test]
    fn what_aws_refuses() {
        let code = |rules: &[ServerSideEncryptionRule], blocked| {
            let refused = new_encryption(rules, blocked, &now()).expect_err("refused");
            refused.code().as_str().to_owned()
        };
        assert_eq!(code(&[], None), "MalformedXML");
        assert_eq!(code(&[rule(None, None)], None), "MalformedXML");
        assert_eq!(code(&[rule(Some("rot13"), None)], None), "MalformedXML");
        assert_eq!(code(&[rule(Some("AES256"), None)], blocked("SSE-D")), "MalformedXML");
        assert_eq!(code(&[rule(Some("AES256"), Some("key"))], None), "InvalidArgument");
    }
}
