//! A bucket's fields, changed behind the operator's back.

use showcore_operator::{bucket::ShowCoreBucket, kind::Kind as _};

use super::{
    By::Python,
    Case, Table,
    Then::{Blocked, Corrected},
};

pub const TABLE: Table = Table {
    kind: "ShowCoreBucket",
    rows: ShowCoreBucket::FIELDS,
    name: "drifting",
    spec: "bucketName: 'drifting-{accountID}', purpose: CloudTrailLogs, tags: {team: core}",
    identifier: "drifting-{account}",
    cases: CASES,
};

const CASES: &[Case] = &[
    Case {
        field: "versioning",
        change: Python(
            "client('s3').put_bucket_versioning(Bucket=NAME, VersioningConfiguration={'Status': 'Suspended'})",
        ),
        desired: "on",
        observed: "suspended",
        then: Corrected,
    },
    Case {
        field: "publicAccessBlock",
        change: Python("client('s3').delete_public_access_block(Bucket=NAME)"),
        desired: "all four on",
        observed: "not configured",
        then: Corrected,
    },
    Case {
        field: "objectOwnership",
        change: Python(
            "client('s3').put_bucket_ownership_controls(Bucket=NAME, OwnershipControls={'Rules': [{'ObjectOwnership': 'ObjectWriter'}]})",
        ),
        desired: "BucketOwnerEnforced",
        observed: "ObjectWriter",
        then: Corrected,
    },
    Case {
        field: "encryption",
        change: Python(
            "client('s3').put_bucket_encryption(Bucket=NAME, ServerSideEncryptionConfiguration={'Rules': [
  {'ApplyServerSideEncryptionByDefault': {'SSEAlgorithm': 'aws:kms'}}]})",
        ),
        desired: "AES256",
        observed: "aws:kms with alias/aws/s3",
        then: Blocked(
            &["not lowered by the operator", "aws s3api delete-bucket-encryption"],
            Python("client('s3').delete_bucket_encryption(Bucket=NAME)"),
        ),
    },
    Case {
        field: "tags.team",
        change: Python(
            "s3 = client('s3')
tags = [tag for tag in s3.get_bucket_tagging(Bucket=NAME)['TagSet'] if tag['Key'] != 'team']
s3.put_bucket_tagging(Bucket=NAME, Tagging={'TagSet': tags})",
        ),
        desired: "'core'",
        observed: "absent",
        then: Corrected,
    },
];
