//! A bucket's fields, changed behind the operator's back.

use showcore_operator::{bucket::ShowCoreBucket, kind::Kind as _};

use super::{
    By::{Aws, Python},
    Case, Table,
    Then::{Blocked, Corrected},
};

/// It logs into itself, which its policy allows.
pub const TABLE: Table = Table {
    kind: "ShowCoreBucket",
    rows: ShowCoreBucket::FIELDS,
    name: "drifting",
    spec: "bucketName: 'drifting-{accountID}', purpose: CloudTrailLogs, tags: {team: core}, \
        cors: [{allowedOrigins: ['https://app.example.com'], allowedMethods: [GET]}], \
        logging: {targetBucket: 'drifting-{accountID}', targetPrefix: own/}, \
        policy: {statements: [{sid: Logs, effect: Allow, principal: {service: [logging.s3.amazonaws.com]}, actions: ['s3:PutObject']}]}",
    identifier: "drifting-{account}",
    cases: CASES,
};

/// One with Object Lock, under which versioning cannot drift.
pub const LOCKED: Table = Table {
    name: "locked",
    spec: "bucketName: 'locked-{accountID}', purpose: Backups, objectLock: {mode: Governance, days: 30}",
    identifier: "locked-{account}",
    cases: LOCKED_CASES,
    ..TABLE
};

const LOCKED_CASES: &[Case] = &[
    Case {
        field: "objectLock.mode",
        change: Python(
            "client('s3').put_object_lock_configuration(Bucket=NAME, ObjectLockConfiguration={'ObjectLockEnabled': 'Enabled', \
                'Rule': {'DefaultRetention': {'Mode': 'COMPLIANCE', 'Days': 30}}})",
        ),
        desired: "Governance",
        observed: "Compliance",
        then: Corrected,
    },
    Case {
        field: "objectLock.days",
        change: Python(
            "client('s3').put_object_lock_configuration(Bucket=NAME, ObjectLockConfiguration={'ObjectLockEnabled': 'Enabled', \
                'Rule': {'DefaultRetention': {'Mode': 'GOVERNANCE', 'Days': 1}}})",
        ),
        desired: "30 days",
        observed: "1 days",
        then: Corrected,
    },
    Case {
        field: "objectLock",
        // No call switches it off.
        change: Aws(|test, name| {
            if let Some(bucket) = test.sim.s3().get_mut(name) {
                bucket.object_lock = None;
            }
        }),
        desired: "on",
        observed: "off",
        then: Corrected,
    },
];

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
    Case {
        field: "encryption.sseC",
        change: Python(
            "client('s3').put_bucket_encryption(Bucket=NAME, ServerSideEncryptionConfiguration={'Rules': [
  {'ApplyServerSideEncryptionByDefault': {'SSEAlgorithm': 'AES256'}, 'BlockedEncryptionTypes': {'EncryptionType': ['NONE']}}]})",
        ),
        desired: "refused",
        observed: "allowed",
        then: Corrected,
    },
    Case {
        field: "policy.tlsOnly",
        change: Python(WITHOUT_TLS),
        desired: "Deny without TLS",
        observed: "absent",
        then: Corrected,
    },
    Case {
        field: "policy.cloudTrail",
        change: Python(WITHOUT_CLOUDTRAIL),
        desired: CLOUDTRAIL,
        observed: "absent",
        then: Corrected,
    },
    Case {
        field: "policy.statements.Logs",
        change: Python(WITHOUT_LOGS),
        desired: LOGS,
        observed: "absent",
        then: Corrected,
    },
    Case {
        field: "policy.foreignAllow",
        change: Python(
            "s3 = client('s3'); policy = json.loads(s3.get_bucket_policy(Bucket=NAME)['Policy'])
policy['Statement'].append({'Effect': 'Allow', 'Principal': {'AWS': '999999999999'}, 'Action': 's3:*', 'Resource': f'arn:aws:s3:::{NAME}'})
s3.put_bucket_policy(Bucket=NAME, Policy=json.dumps(policy))",
        ),
        desired: "none",
        observed: "Allow s3:* to arn:aws:iam::999999999999:root",
        then: Corrected,
    },
    Case {
        field: "lifecycle.ShowCoreAbortIncompleteUploads",
        change: Python(
            "s3 = client('s3'); rules = s3.get_bucket_lifecycle_configuration(Bucket=NAME)['Rules']
rules[0]['AbortIncompleteMultipartUpload']['DaysAfterInitiation'] = 700
s3.put_bucket_lifecycle_configuration(Bucket=NAME, LifecycleConfiguration={'Rules': rules})",
        ),
        desired: "give up incomplete uploads after 7 days",
        observed: "give up incomplete uploads after 700 days",
        then: Corrected,
    },
    Case {
        field: "cors",
        change: Python(
            "client('s3').put_bucket_cors(Bucket=NAME, CORSConfiguration={'CORSRules': [{'AllowedOrigins': ['*'], 'AllowedMethods': ['GET', 'PUT']}]})",
        ),
        desired: "GET from https://app.example.com",
        observed: "GET, PUT from *",
        then: Corrected,
    },
    Case {
        field: "logging.targetPrefix",
        change: Python(
            "client('s3').put_bucket_logging(Bucket=NAME, BucketLoggingStatus={'LoggingEnabled': {'TargetBucket': NAME, 'TargetPrefix': ''}})",
        ),
        desired: "'own/'",
        observed: "''",
        then: Corrected,
    },
    Case {
        field: "logging.targetBucket",
        change: Python(
            "s3 = client('s3'); s3.create_bucket(Bucket='elsewhere', CreateBucketConfiguration={'LocationConstraint': 'eu-central-1'})
statement = {'Effect': 'Allow', 'Principal': {'Service': 'logging.s3.amazonaws.com'}, 'Action': 's3:PutObject', 'Resource': 'arn:aws:s3:::elsewhere/*'}
s3.put_bucket_policy(Bucket='elsewhere', Policy=json.dumps({'Statement': [statement]}))
s3.put_bucket_logging(Bucket=NAME, BucketLoggingStatus={'LoggingEnabled': {'TargetBucket': 'elsewhere', 'TargetPrefix': 'own/'}})",
        ),
        desired: "NAME",
        observed: "elsewhere",
        then: Corrected,
    },
];

/// A policy without the statements whose sids begin so.
macro_rules! without {
    ($sid:literal) => {
        concat!(
            "s3 = client('s3'); policy = json.loads(s3.get_bucket_policy(Bucket=NAME)['Policy'])
policy['Statement'] = [s for s in policy['Statement'] if not s['Sid'].startswith('",
            $sid,
            "')]
s3.put_bucket_policy(Bucket=NAME, Policy=json.dumps(policy))"
        )
    };
}
const CLOUDTRAIL: &str = "CloudTrail may deliver from arn:aws:cloudtrail:*:ACCOUNT:trail/*";
const LOGS: &str = "Allow s3:PutObject to Service logging.s3.amazonaws.com on arn:aws:s3:::NAME, arn:aws:s3:::NAME/*";
const WITHOUT_TLS: &str = without!("ShowCoreTLS");
const WITHOUT_CLOUDTRAIL: &str = without!("ShowCoreCloudTrail");
const WITHOUT_LOGS: &str = without!("Logs");
