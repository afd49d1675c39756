"""S3, as boto3 and the `aws` CLI see it.

Each check states what AWS's documentation says. Environment: SIM_ENDPOINT,
SIM_ACCESS_KEY (an account of its own), AWS_CLI (default: `aws` on the PATH),
AWS_CA_BUNDLE for HTTPS.
"""

import base64
import hashlib
import json
import os
import ssl
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request
import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.handlers import validate_bucket_name

ENDPOINT = os.environ["SIM_ENDPOINT"]
ACCESS_KEY = os.environ["SIM_ACCESS_KEY"]
OTHER_ACCESS_KEY = "AKIASIM00999988887777"
ACCOUNT = ACCESS_KEY[-12:]
REGION = "eu-west-1"


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


OPENER = urllib.request.build_opener(
    NoRedirect,
    urllib.request.HTTPSHandler(
        context=ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE"))
    ),
)


def client(region=REGION, access_key=ACCESS_KEY, **config):
    return boto3.client(
        "s3",
        endpoint_url=ENDPOINT,
        region_name=region,
        aws_access_key_id=access_key,
        aws_secret_access_key="any secret is good",
        config=Config(
            s3={"addressing_style": "path"},
            signature_version="s3v4",
            retries={"total_max_attempts": 1},
            **config,
        ),
    )


def control(path, method="GET", body=None):
    request = urllib.request.Request(f"{ENDPOINT}/_sim/{path}", data=body, method=method)
    with OPENER.open(request) as answer:
        return answer.read().decode()


class Suite(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.s3 = client()

    @classmethod
    def tearDownClass(cls):
        cls.s3.close()

    def name(self):
        return f"suite-{uuid.uuid4()}"

    def bucket(self, **more):
        name = self.name()
        self.s3.create_bucket(
            Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION}, **more
        )
        return name

    def refused(self, code, status, call, **arguments):
        with self.assertRaises(ClientError) as caught:
            call(**arguments)
        response = caught.exception.response
        self.assertEqual(
            (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]),
            (code, status),
            response,
        )
        return response


class Create(Suite):
    def test_where_a_bucket_may_be_made(self):
        us = client("us-east-1")
        name = self.name()
        made = us.create_bucket(Bucket=name)
        self.assertEqual(made["Location"], f"/{name}")
        self.assertEqual(made["BucketArn"], f"arn:aws:s3:::{name}")
        self.assertIsNone(us.get_bucket_location(Bucket=name)["LocationConstraint"])
        self.refused("IllegalLocationConstraintException", 400, self.s3.create_bucket, Bucket=self.name())
        elsewhere = {"LocationConstraint": "eu-central-1"}
        self.refused(
            "IllegalLocationConstraintException",
            400,
            self.s3.create_bucket,
            Bucket=self.name(),
            CreateBucketConfiguration=elsewhere,
        )
        self.refused(
            "InvalidLocationConstraint",
            400,
            us.create_bucket,
            Bucket=self.name(),
            CreateBucketConfiguration={"LocationConstraint": "us-east-1"},
        )
        name = self.name()
        here = {"LocationConstraint": REGION}
        made = self.s3.create_bucket(Bucket=name, CreateBucketConfiguration=here)
        self.assertEqual(made["Location"], f"http://{name}.s3.amazonaws.com/")
        location = self.s3.get_bucket_location(Bucket=name)
        self.assertEqual(location["LocationConstraint"], REGION)

    def test_tags_come_with_the_bucket(self):
        tags = [{"Key": "showcore.io/owner", "Value": "a + b"}, {"Key": "purpose", "Value": ""}]
        us = client("us-east-1")
        name = self.name()
        us.create_bucket(Bucket=name, CreateBucketConfiguration={"Tags": tags})
        self.assertEqual(us.get_bucket_tagging(Bucket=name)["TagSet"], tags)
        name = self.name()
        self.s3.create_bucket(
            Bucket=name,
            CreateBucketConfiguration={"LocationConstraint": REGION, "Tags": tags},
        )
        self.assertEqual(self.s3.get_bucket_tagging(Bucket=name)["TagSet"], tags)

    def test_again(self):
        us = client("us-east-1")
        name = self.name()
        us.create_bucket(Bucket=name)
        us.create_bucket(Bucket=name)
        ireland = {"CreateBucketConfiguration": {"LocationConstraint": REGION}}
        name = self.bucket()
        self.refused("BucketAlreadyOwnedByYou", 409, self.s3.create_bucket, Bucket=name, **ireland)
        other = client(access_key=OTHER_ACCESS_KEY)
        self.refused("BucketAlreadyExists", 409, other.create_bucket, Bucket=name, **ireland)

    def test_names(self):
        us = client("us-east-1")
        # The SDK would refuse some of these itself.
        us.meta.events.unregister("before-parameter-build.s3", validate_bucket_name)
        for name in ["Upper-case", "ab", "192.168.5.4", "xn--bucket", "bucket-s3alias", "a" * 64]:
            with self.subTest(name):
                self.refused("InvalidBucketName", 400, us.create_bucket, Bucket=name)

    def test_a_new_bucket_is_secure(self):
        name = self.bucket()
        rule = self.s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
        self.assertEqual(
            rule,
            [
                {
                    "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"},
                    "BucketKeyEnabled": False,
                    "BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]},
                }
            ],
        )
        block = self.s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
        self.assertEqual(set(block.values()), {True})
        self.assertEqual(len(block), 4)
        controls = self.s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]
        self.assertEqual(controls, {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]})
        self.assertNotIn("Status", self.s3.get_bucket_versioning(Bucket=name))
        grants = self.s3.get_bucket_acl(Bucket=name)
        self.assertEqual([grant["Permission"] for grant in grants["Grants"]], ["FULL_CONTROL"])
        self.assertEqual(grants["Grants"][0]["Grantee"]["ID"], grants["Owner"]["ID"])
        self.refused(
            "InvalidBucketAclWithObjectOwnership",
            400,
            self.s3.create_bucket,
            Bucket=self.name(),
            ACL="public-read",
            CreateBucketConfiguration={"LocationConstraint": REGION},
        )


class Reach(Suite):
    def test_head(self):
        name = self.bucket()
        head = self.s3.head_bucket(Bucket=name)
        self.assertEqual((head["BucketRegion"], head["AccessPointAlias"]), (REGION, False))
        self.refused("404", 404, self.s3.head_bucket, Bucket=self.name())
        self.refused("403", 403, client(access_key=OTHER_ACCESS_KEY).head_bucket, Bucket=name)
        frankfurt = client("eu-central-1")
        # boto3 would follow the redirect and ask again at the same endpoint.
        with self.assertRaises(urllib.error.HTTPError) as caught:
            url = frankfurt.generate_presigned_url("head_bucket", Params={"Bucket": name})
            OPENER.open(urllib.request.Request(url, method="HEAD"))
        self.assertEqual(caught.exception.code, 301)
        self.assertEqual(caught.exception.headers["x-amz-bucket-region"], REGION)
        caught.exception.close()

    def test_another_region_is_a_redirect(self):
        name = self.bucket()
        url = client("us-east-1").generate_presigned_url(
            "get_bucket_tagging", Params={"Bucket": name}
        )
        with self.assertRaises(urllib.error.HTTPError) as caught:
            OPENER.open(url)
        body = caught.exception.read().decode()
        self.assertEqual(caught.exception.code, 301)
        self.assertIn("<Code>PermanentRedirect</Code>", body)
        self.assertEqual(caught.exception.headers["x-amz-bucket-region"], REGION)
        caught.exception.close()

    def test_another_account_is_refused_everything(self):
        name = self.bucket()
        other = client(access_key=OTHER_ACCESS_KEY)
        for call in [
            other.get_bucket_tagging,
            other.get_bucket_policy,
            other.get_public_access_block,
            other.list_objects_v2,
            other.delete_bucket,
        ]:
            self.refused("AccessDenied", 403, call, Bucket=name)

    def test_the_expected_owner(self):
        name = self.bucket()
        block = {"BlockPublicAcls": True}
        calls = [
            (self.s3.get_bucket_tagging, {}),
            (self.s3.get_bucket_encryption, {}),
            (self.s3.get_bucket_policy, {}),
            (self.s3.get_bucket_versioning, {}),
            (self.s3.put_public_access_block, {"PublicAccessBlockConfiguration": block}),
            (self.s3.put_bucket_versioning, {"VersioningConfiguration": {"Status": "Enabled"}}),
            (self.s3.put_object, {"Key": "k", "Body": b"x"}),
            (self.s3.list_object_versions, {}),
            (self.s3.delete_objects, {"Delete": {"Objects": [{"Key": "k"}]}}),
            (self.s3.delete_bucket, {}),
        ]
        for call, more in calls:
            self.refused(
                "AccessDenied", 403, call, Bucket=name, ExpectedBucketOwner="000000000000", **more
            )
        self.refused("403", 403, self.s3.head_bucket, Bucket=name, ExpectedBucketOwner="000000000000")
        self.s3.head_bucket(Bucket=name, ExpectedBucketOwner=ACCOUNT)
        self.refused(
            "InvalidBucketOwnerAWSAccountID",
            400,
            self.s3.get_bucket_tagging,
            Bucket=name,
            ExpectedBucketOwner="me",
        )
        self.assertTrue(
            self.s3.get_public_access_block(Bucket=name, ExpectedBucketOwner=ACCOUNT)[
                "PublicAccessBlockConfiguration"
            ]["RestrictPublicBuckets"]
        )

    def test_lists_of_buckets_have_pages(self):
        access_key = f"AKIASIM00{uuid.uuid4().int % 10**12:012d}"
        own = client("us-east-1", access_key)
        names = sorted(self.name() for _ in range(5))
        for name in names:
            own.create_bucket(Bucket=name)
        listed = own.list_buckets()
        self.assertEqual([bucket["Name"] for bucket in listed["Buckets"]], names)
        self.assertEqual({bucket["BucketRegion"] for bucket in listed["Buckets"]}, {"us-east-1"})
        pages = list(own.get_paginator("list_buckets").paginate(PaginationConfig={"PageSize": 2}))
        self.assertEqual([len(page["Buckets"]) for page in pages], [2, 2, 1])
        self.assertEqual(
            [bucket["Name"] for page in pages for bucket in page["Buckets"]], names
        )
        self.assertEqual(own.list_buckets(BucketRegion=REGION)["Buckets"], [])


class Settings(Suite):
    def test_tags(self):
        name = self.bucket()
        self.refused("NoSuchTagSet", 404, self.s3.get_bucket_tagging, Bucket=name)
        self.refused("NoSuchBucket", 404, self.s3.get_bucket_tagging, Bucket=self.name())

        def put(tags):
            return self.s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})

        tags = [{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "1"}]
        self.assertEqual(put(tags)["ResponseMetadata"]["HTTPStatusCode"], 204)
        put([{"Key": "c", "Value": "3"}])
        self.assertEqual(
            self.s3.get_bucket_tagging(Bucket=name)["TagSet"], [{"Key": "c", "Value": "3"}]
        )
        many = [{"Key": f"k{n}", "Value": "v"} for n in range(51)]
        self.refused("BadRequest", 400, put, tags=many)
        self.refused("InvalidTag", 400, put, tags=[{"Key": "aws:x", "Value": "v"}])
        self.refused("InvalidTag", 400, put, tags=[{"Key": "x", "Value": "1"}] * 2)
        self.s3.delete_bucket_tagging(Bucket=name)
        self.refused("NoSuchTagSet", 404, self.s3.get_bucket_tagging, Bucket=name)

    def test_encryption(self):
        name = self.bucket()

        def put(**rule):
            self.s3.put_bucket_encryption(
                Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]}
            )

        def get():
            answer = self.s3.get_bucket_encryption(Bucket=name)
            (rule,) = answer["ServerSideEncryptionConfiguration"]["Rules"]
            return rule

        kms = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alias/mine"}
        blocked = {"EncryptionType": ["SSE-C"]}
        put(
            ApplyServerSideEncryptionByDefault=kms,
            BucketKeyEnabled=True,
            BlockedEncryptionTypes=blocked,
        )
        self.assertEqual(
            get(),
            {
                "ApplyServerSideEncryptionByDefault": kms,
                "BucketKeyEnabled": True,
                "BlockedEncryptionTypes": blocked,
            },
        )
        self.s3.delete_bucket_encryption(Bucket=name)
        self.assertEqual(get()["ApplyServerSideEncryptionByDefault"], {"SSEAlgorithm": "AES256"})
        self.assertEqual(get()["BlockedEncryptionTypes"], blocked)
        put(
            ApplyServerSideEncryptionByDefault={"SSEAlgorithm": "AES256"},
            BlockedEncryptionTypes={"EncryptionType": ["NONE"]},
        )
        self.assertEqual(get()["BlockedEncryptionTypes"], {"EncryptionType": ["NONE"]})
        put(ApplyServerSideEncryptionByDefault={"SSEAlgorithm": "AES256"})
        self.assertNotIn("BlockedEncryptionTypes", get())
        self.refused(
            "InvalidArgument",
            400,
            put,
            ApplyServerSideEncryptionByDefault={"SSEAlgorithm": "AES256", "KMSMasterKeyID": "k"},
        )
        self.refused(
            "MalformedXML", 400, put, ApplyServerSideEncryptionByDefault={"SSEAlgorithm": "rot13"}
        )

    def test_public_access_block(self):
        name = self.bucket()
        self.s3.put_public_access_block(
            Bucket=name, PublicAccessBlockConfiguration={"BlockPublicAcls": True}
        )
        self.assertEqual(
            self.s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"],
            {
                "BlockPublicAcls": True,
                "BlockPublicPolicy": False,
                "IgnorePublicAcls": False,
                "RestrictPublicBuckets": False,
            },
        )
        self.s3.delete_public_access_block(Bucket=name)
        self.refused(
            "NoSuchPublicAccessBlockConfiguration",
            404,
            self.s3.get_public_access_block,
            Bucket=name,
        )

    def test_ownership(self):
        name = self.bucket()
        rules = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
        self.s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=rules)
        controls = self.s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]
        self.assertEqual(controls, rules)
        self.s3.delete_bucket_ownership_controls(Bucket=name)
        self.refused(
            "OwnershipControlsNotFoundError",
            404,
            self.s3.get_bucket_ownership_controls,
            Bucket=name,
        )

    def test_policy(self):
        name = self.bucket()
        self.refused("NoSuchBucketPolicy", 404, self.s3.get_bucket_policy, Bucket=name)
        self.refused("NoSuchBucketPolicy", 404, self.s3.get_bucket_policy_status, Bucket=name)
        arn = f"arn:aws:s3:::{name}"
        tls_only = {
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [arn, f"{arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        open_to_all = {
            "Effect": "Allow",
            "Principal": "*",
            "Action": ["s3:GetObject"],
            "Resource": [f"{arn}/*"],
        }

        def put(*statements):
            policy = {"Version": "2012-10-17", "Statement": list(statements)}
            self.s3.put_bucket_policy(Bucket=name, Policy=json.dumps(policy))

        def get():
            return json.loads(self.s3.get_bucket_policy(Bucket=name)["Policy"])

        def public():
            status = self.s3.get_bucket_policy_status(Bucket=name)
            return status["PolicyStatus"]["IsPublic"]

        put(tls_only)
        self.assertEqual(get()["Statement"], [tls_only])
        self.assertFalse(public())
        # Blocked by the public access block of a new bucket.
        self.refused("AccessDenied", 403, lambda: put(tls_only, open_to_all))
        self.assertEqual(get()["Statement"], [tls_only])
        self.refused("MalformedPolicy", 400, lambda: put({**tls_only, "Resource": "arn:aws:s3:::x"}))
        self.refused("MalformedPolicy", 400, self.s3.put_bucket_policy, Bucket=name, Policy="{")
        self.s3.delete_public_access_block(Bucket=name)
        put(open_to_all)
        self.assertTrue(public())
        # The same meaning, but not the same text.
        self.assertEqual(get()["Statement"][0]["Action"], "s3:GetObject")
        self.s3.delete_bucket_policy(Bucket=name)
        self.refused("NoSuchBucketPolicy", 404, self.s3.get_bucket_policy, Bucket=name)


    def test_lifecycle(self):
        name = self.bucket()
        get, put = self.s3.get_bucket_lifecycle_configuration, self.s3.put_bucket_lifecycle_configuration
        self.refused("NoSuchLifecycleConfiguration", 404, get, Bucket=name)
        rules = [
            {
                "ID": "everything",
                "Status": "Enabled",
                "Filter": {},
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
                "NoncurrentVersionExpiration": {"NoncurrentDays": 90, "NewerNoncurrentVersions": 3},
            },
            {
                "ID": "logs & more",
                "Status": "Disabled",
                "Filter": {"And": {"Prefix": "logs/", "Tags": [{"Key": "a", "Value": "b"}], "ObjectSizeLessThan": 9}},
                "Transitions": [
                    {"Days": 30, "StorageClass": "STANDARD_IA"},
                    {"Days": 60, "StorageClass": "GLACIER"},
                ],
                "Expiration": {"Days": 365},
            },
        ]
        put(Bucket=name, LifecycleConfiguration={"Rules": rules})
        answer = get(Bucket=name)
        self.assertEqual(answer["Rules"], rules)
        self.assertEqual(answer["TransitionDefaultMinimumObjectSize"], "all_storage_classes_128K")
        put(
            Bucket=name,
            LifecycleConfiguration={"Rules": rules[:1]},
            TransitionDefaultMinimumObjectSize="varies_by_storage_class",
        )
        answer = get(Bucket=name)
        self.assertEqual(answer["Rules"], rules[:1])
        self.assertEqual(answer["TransitionDefaultMinimumObjectSize"], "varies_by_storage_class")
        wrong = {**rules[1], "Transitions": [{"Days": 29, "StorageClass": "STANDARD_IA"}]}
        self.refused("InvalidArgument", 400, put, Bucket=name, LifecycleConfiguration={"Rules": [wrong]})
        self.s3.delete_bucket_lifecycle(Bucket=name)
        self.refused("NoSuchLifecycleConfiguration", 404, get, Bucket=name)

    def test_cors(self):
        name = self.bucket()
        self.refused("NoSuchCORSConfiguration", 404, self.s3.get_bucket_cors, Bucket=name)
        rule = {
            "ID": "site",
            "AllowedOrigins": ["https://*.example.com"],
            "AllowedMethods": ["GET", "HEAD"],
            "AllowedHeaders": ["*"],
            "ExposeHeaders": ["ETag"],
            "MaxAgeSeconds": 3600,
        }
        self.s3.put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": [rule]})
        self.assertEqual(self.s3.get_bucket_cors(Bucket=name)["CORSRules"], [rule])
        wrong = {**rule, "AllowedMethods": ["PATCH"]}
        self.refused(
            "InvalidRequest",
            400,
            self.s3.put_bucket_cors,
            Bucket=name,
            CORSConfiguration={"CORSRules": [wrong]},
        )
        self.s3.delete_bucket_cors(Bucket=name)
        self.refused("NoSuchCORSConfiguration", 404, self.s3.get_bucket_cors, Bucket=name)

    def test_logging(self):
        name, logs = self.bucket(), self.bucket()
        put = self.s3.put_bucket_logging
        self.assertNotIn("LoggingEnabled", self.s3.get_bucket_logging(Bucket=name))
        to = {"LoggingEnabled": {"TargetBucket": logs, "TargetPrefix": "web/"}}
        refused = "InvalidTargetBucketForLogging"
        self.refused(refused, 400, put, Bucket=name, BucketLoggingStatus=to)
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "logging.s3.amazonaws.com"},
            "Action": "s3:PutObject",
            "Resource": f"arn:aws:s3:::{logs}/web/*",
            "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
        }
        self.s3.put_bucket_policy(Bucket=logs, Policy=json.dumps({"Statement": [statement]}))
        put(Bucket=name, BucketLoggingStatus=to)
        self.assertEqual(self.s3.get_bucket_logging(Bucket=name)["LoggingEnabled"], to["LoggingEnabled"])
        dated = {"PartitionedPrefix": {"PartitionDateSource": "EventTime"}}
        to["LoggingEnabled"]["TargetObjectKeyFormat"] = dated
        put(Bucket=name, BucketLoggingStatus=to)
        self.assertEqual(self.s3.get_bucket_logging(Bucket=name)["LoggingEnabled"], to["LoggingEnabled"])
        for target in [self.name(), "elsewhere"]:
            other = {"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": ""}}
            self.refused(refused, 400, put, Bucket=name, BucketLoggingStatus=other)
        put(Bucket=name, BucketLoggingStatus={})
        self.assertNotIn("LoggingEnabled", self.s3.get_bucket_logging(Bucket=name))

    def test_object_lock(self):
        name = self.bucket()
        get, put = self.s3.get_object_lock_configuration, self.s3.put_object_lock_configuration
        self.refused("ObjectLockConfigurationNotFoundError", 404, get, Bucket=name)
        kept = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
        on = {"ObjectLockEnabled": "Enabled"}
        self.refused("InvalidBucketState", 409, put, Bucket=name, ObjectLockConfiguration=on)
        self.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        put(Bucket=name, ObjectLockConfiguration={**on, "Rule": kept})
        self.assertEqual(get(Bucket=name)["ObjectLockConfiguration"], {**on, "Rule": kept})
        self.refused(
            "InvalidBucketState",
            409,
            self.s3.put_bucket_versioning,
            Bucket=name,
            VersioningConfiguration={"Status": "Suspended"},
        )
        self.refused("MalformedXML", 400, put, Bucket=name, ObjectLockConfiguration={"Rule": kept})
        version = self.s3.put_object(Bucket=name, Key="k", Body=b"x")["VersionId"]
        self.assertEqual(self.s3.head_object(Bucket=name, Key="k")["ObjectLockMode"], "GOVERNANCE")
        self.refused("AccessDenied", 403, self.s3.delete_object, Bucket=name, Key="k", VersionId=version)
        marker = self.s3.delete_object(Bucket=name, Key="k")["VersionId"]
        both = [{"Key": "k", "VersionId": one} for one in [version, marker]]
        answer = self.s3.delete_objects(Bucket=name, Delete={"Objects": both, "Quiet": True})
        self.assertEqual([one["VersionId"] for one in answer["Errors"]], [version])
        put(Bucket=name, ObjectLockConfiguration=on)
        self.assertEqual(get(Bucket=name)["ObjectLockConfiguration"], on)
        self.refused("BucketNotEmpty", 409, self.s3.delete_bucket, Bucket=name)
        control(f"accounts/{ACCESS_KEY}/advance?seconds=86400", "POST")
        self.s3.delete_object(Bucket=name, Key="k", VersionId=version)
        self.s3.delete_bucket(Bucket=name)
        locked = self.bucket(ObjectLockEnabledForBucket=True)
        self.assertEqual(get(Bucket=locked)["ObjectLockConfiguration"], on)
        self.assertEqual(self.s3.get_bucket_versioning(Bucket=locked)["Status"], "Enabled")


class Objects(Suite):
    def test_there_and_back(self):
        name = self.bucket()
        body = os.urandom(200_000)
        put = self.s3.put_object(
            Bucket=name, Key="a key/ü+&", Body=body, ContentType="x/y", Metadata={"who": "me"}
        )
        self.assertEqual(put["ServerSideEncryption"], "AES256")
        self.assertEqual(put["ETag"], f'"{hashlib.md5(body).hexdigest()}"')
        self.assertNotIn("VersionId", put)
        got = self.s3.get_object(Bucket=name, Key="a key/ü+&")
        self.assertEqual(got["Body"].read(), body)
        self.assertEqual((got["ContentType"], got["Metadata"]), ("x/y", {"who": "me"}))
        self.assertNotIn("aws-chunked", got.get("ContentEncoding", ""))
        head = self.s3.head_object(Bucket=name, Key="a key/ü+&", ChecksumMode="ENABLED")
        self.assertEqual((head["ContentLength"], head["ServerSideEncryption"]), (len(body), "AES256"))
        self.assertIn("ChecksumCRC32", head)
        part = self.s3.get_object(Bucket=name, Key="a key/ü+&", Range="bytes=10-19")
        self.assertEqual((part["Body"].read(), part["ContentLength"]), (body[10:20], 10))
        self.assertEqual(part["ContentRange"], f"bytes 10-19/{len(body)}")
        self.refused("NoSuchKey", 404, self.s3.get_object, Bucket=name, Key="none")
        self.refused("404", 404, self.s3.head_object, Bucket=name, Key="none")
        self.refused(
            "InvalidRange", 416, self.s3.get_object, Bucket=name, Key="a key/ü+&", Range="bytes=900000-"
        )
        copied = self.s3.copy_object(
            Bucket=name, Key="copy", CopySource={"Bucket": name, "Key": "a key/ü+&"}
        )
        self.assertEqual(copied["CopyObjectResult"]["ETag"], put["ETag"])
        self.assertEqual(self.s3.get_object(Bucket=name, Key="copy")["Body"].read(), body)
        self.s3.delete_object(Bucket=name, Key="copy")
        self.refused("NoSuchKey", 404, self.s3.get_object, Bucket=name, Key="copy")

    def test_every_way_to_send_a_checksum(self):
        name = self.bucket()
        for algorithm in ["CRC32", "SHA1", "SHA256"]:
            with tempfile.TemporaryFile() as stream:
                stream.write(b"hello " * 1000)
                stream.seek(0)
                self.s3.put_object(Bucket=name, Key=algorithm, Body=stream, ChecksumAlgorithm=algorithm)
            got = self.s3.get_object(Bucket=name, Key=algorithm, ChecksumMode="ENABLED")
            self.assertIn(f"Checksum{algorithm}", got)
            self.assertEqual(got["Body"].read(), b"hello " * 1000)
        self.refused(
            "BadDigest",
            400,
            self.s3.put_object,
            Bucket=name,
            Key="k",
            Body=b"hello",
            ChecksumSHA256=base64.b64encode(hashlib.sha256(b"other").digest()).decode(),
        )
        md5 = base64.b64encode(hashlib.md5(b"other").digest()).decode()
        self.refused("BadDigest", 400, self.s3.put_object, Bucket=name, Key="k", Body=b"x", ContentMD5=md5)

    def test_conditions(self):
        name = self.bucket()
        e_tag = self.s3.put_object(Bucket=name, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
        for more in [{"IfNoneMatch": "*"}, {"IfMatch": '"other"'}]:
            self.refused(
                "PreconditionFailed", 412, self.s3.put_object, Bucket=name, Key="k", Body=b"2", **more
            )
        self.s3.put_object(Bucket=name, Key="k", Body=b"2", IfMatch=e_tag)
        self.refused("304", 304, self.s3.get_object, Bucket=name, Key="k", IfNoneMatch="*")

    def test_encryption_of_objects(self):
        name = self.bucket()
        put = self.s3.put_object(Bucket=name, Key="k", Body=b"x", ServerSideEncryption="aws:kms")
        self.assertEqual(put["ServerSideEncryption"], "aws:kms")
        self.assertRegex(put["SSEKMSKeyId"], rf"^arn:aws:kms:{REGION}:{ACCOUNT}:key/[0-9a-f-]{{36}}$")
        kms = {"SSEAlgorithm": "aws:kms"}
        self.s3.put_bucket_encryption(
            Bucket=name,
            ServerSideEncryptionConfiguration={
                "Rules": [
                    {
                        "ApplyServerSideEncryptionByDefault": kms,
                        "BucketKeyEnabled": True,
                        "BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]},
                    }
                ]
            },
        )
        self.s3.put_object(Bucket=name, Key="by-default", Body=b"x")
        head = self.s3.head_object(Bucket=name, Key="by-default")
        self.assertEqual((head["ServerSideEncryption"], head["BucketKeyEnabled"]), ("aws:kms", True))
        self.s3.delete_bucket_encryption(Bucket=name)
        # Only new objects change.
        head = self.s3.head_object(Bucket=name, Key="by-default")
        self.assertEqual(head["ServerSideEncryption"], "aws:kms")
        self.refused(
            "KMS.NotFoundException",
            400,
            self.s3.put_object,
            Bucket=name,
            Key="k",
            Body=b"x",
            ServerSideEncryption="aws:kms",
            SSEKMSKeyId="00000000-0000-4000-a000-000000000000",
        )

    @unittest.skipUnless(ENDPOINT.startswith("https"), "boto3 sends SSE-C over HTTPS only")
    def test_sse_c_is_blocked(self):
        self.refused(
            "AccessDenied",
            403,
            self.s3.put_object,
            Bucket=self.bucket(),
            Key="k",
            Body=b"x",
            SSECustomerAlgorithm="AES256",
            SSECustomerKey=b"k" * 32,
        )

    def test_lists_have_pages(self):
        name = self.bucket()
        keys = sorted(["a b", "dir/1", "dir/2", "dir/3", "ü&<", "z"])
        for key in keys:
            self.s3.put_object(Bucket=name, Key=key, Body=key.encode())
        pages = list(
            self.s3.get_paginator("list_objects_v2").paginate(
                Bucket=name, PaginationConfig={"PageSize": 2}
            )
        )
        self.assertEqual([page["KeyCount"] for page in pages], [2, 2, 2])
        listed = [one["Key"] for page in pages for one in page["Contents"]]
        self.assertEqual(sorted(listed), keys)
        rolled = self.s3.list_objects_v2(Bucket=name, Delimiter="/")
        self.assertEqual(rolled["CommonPrefixes"], [{"Prefix": "dir/"}])
        self.assertEqual(len(rolled["Contents"]), 3)
        under = self.s3.list_objects_v2(Bucket=name, Prefix="dir/", StartAfter="dir/1")
        self.assertEqual([one["Key"] for one in under["Contents"]], ["dir/2", "dir/3"])
        self.refused(
            "InvalidArgument", 400, self.s3.list_objects_v2, Bucket=name, ContinuationToken="xyz"
        )

    def test_many_at_once(self):
        name = self.bucket()
        for key in ["a", "b", "c"]:
            self.s3.put_object(Bucket=name, Key=key, Body=b"x")
        self.refused("BucketNotEmpty", 409, self.s3.delete_bucket, Bucket=name)
        objects = [{"Key": "a"}, {"Key": "b"}, {"Key": "none"}]
        done = self.s3.delete_objects(Bucket=name, Delete={"Objects": objects})
        self.assertEqual([one["Key"] for one in done["Deleted"]], ["a", "b", "none"])
        done = self.s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": "c"}], "Quiet": True})
        self.assertNotIn("Deleted", done)
        self.s3.delete_bucket(Bucket=name)
        self.refused("NoSuchBucket", 404, self.s3.delete_bucket, Bucket=name)


class Versions(Suite):
    def versioning(self, bucket, status):
        self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})

    def test_a_versioned_bucket_is_empty_only_without_versions_and_markers(self):
        name = self.bucket()
        self.versioning(name, "Enabled")
        self.assertEqual(self.s3.get_bucket_versioning(Bucket=name)["Status"], "Enabled")
        ids = [self.s3.put_object(Bucket=name, Key="k", Body=body)["VersionId"] for body in (b"1", b"2")]
        self.assertEqual(len(set(ids)), 2)
        marker = self.s3.delete_object(Bucket=name, Key="k")
        self.assertTrue(marker["DeleteMarker"])
        response = self.refused("NoSuchKey", 404, self.s3.get_object, Bucket=name, Key="k")
        headers = response["ResponseMetadata"]["HTTPHeaders"]
        self.assertEqual(headers["x-amz-delete-marker"], "true")
        self.refused(
            "MethodNotAllowed",
            405,
            self.s3.get_object,
            Bucket=name,
            Key="k",
            VersionId=marker["VersionId"],
        )
        self.refused("NoSuchVersion", 404, self.s3.get_object, Bucket=name, Key="k", VersionId="x")
        old = self.s3.get_object(Bucket=name, Key="k", VersionId=ids[0])
        self.assertEqual(old["Body"].read(), b"1")
        self.assertNotIn("Contents", self.s3.list_objects_v2(Bucket=name))
        listed = self.s3.list_object_versions(Bucket=name)
        self.assertEqual([one["VersionId"] for one in listed["Versions"]], ids[::-1])
        (listed_marker,) = listed["DeleteMarkers"]
        self.assertEqual(
            (listed_marker["VersionId"], listed_marker["IsLatest"]), (marker["VersionId"], True)
        )
        self.refused("BucketNotEmpty", 409, self.s3.delete_bucket, Bucket=name)
        objects = [{"Key": "k", "VersionId": one} for one in ids]
        self.s3.delete_objects(Bucket=name, Delete={"Objects": objects})
        self.refused("BucketNotEmpty", 409, self.s3.delete_bucket, Bucket=name)
        gone = self.s3.delete_objects(
            Bucket=name, Delete={"Objects": [{"Key": "k", "VersionId": marker["VersionId"]}]}
        )
        self.assertTrue(gone["Deleted"][0]["DeleteMarker"])
        self.s3.delete_bucket(Bucket=name)

    def test_suspended(self):
        name = self.bucket()
        self.s3.put_object(Bucket=name, Key="k", Body=b"null")
        self.versioning(name, "Enabled")
        kept = self.s3.put_object(Bucket=name, Key="k", Body=b"kept")["VersionId"]
        self.versioning(name, "Suspended")
        self.assertEqual(self.s3.get_bucket_versioning(Bucket=name)["Status"], "Suspended")
        put = self.s3.put_object(Bucket=name, Key="k", Body=b"new null")
        self.assertEqual(put["VersionId"], "null")
        listed = self.s3.list_object_versions(Bucket=name)["Versions"]
        self.assertEqual([one["VersionId"] for one in listed], ["null", kept])
        marker = self.s3.delete_object(Bucket=name, Key="k")
        self.assertEqual((marker["VersionId"], marker["DeleteMarker"]), ("null", True))
        listed = self.s3.list_object_versions(Bucket=name)
        self.assertEqual([one["VersionId"] for one in listed["Versions"]], [kept])
        self.assertEqual([one["VersionId"] for one in listed["DeleteMarkers"]], ["null"])

    def test_lists_have_pages(self):
        name = self.bucket()
        self.versioning(name, "Enabled")
        for _ in range(3):
            for key in ["a", "b & c"]:
                self.s3.put_object(Bucket=name, Key=key, Body=b"x")
        self.s3.delete_object(Bucket=name, Key="a")
        pages = list(
            self.s3.get_paginator("list_object_versions").paginate(
                Bucket=name, PaginationConfig={"PageSize": 2}
            )
        )
        found = [
            (one["Key"], one["VersionId"])
            for page in pages
            for one in page.get("Versions", []) + page.get("DeleteMarkers", [])
        ]
        self.assertEqual((len(pages), len(found), len(set(found))), (4, 7, 7))


class Refusals(Suite):
    def test_what_is_not_served_is_named(self):
        name = self.bucket()
        for call, more, named in [
            (self.s3.put_bucket_acl, {"ACL": "private"}, "PutBucketAcl"),
            (self.s3.get_bucket_website, {}, "GetBucketWebsite"),
            (self.s3.create_multipart_upload, {"Key": "k"}, "CreateMultipartUpload"),
            (self.s3.put_object, {"Key": "k", "Tagging": "a=b"}, "x-amz-tagging"),
            (
                self.s3.put_bucket_abac,
                {"AbacStatus": {"Status": "Enabled"}},
                "abac",
            ),
            (
                self.s3.put_object,
                {"Key": "k", "ObjectLockLegalHoldStatus": "ON"},
                "x-amz-object-lock-legal-hold",
            ),
        ]:
            with self.subTest(named):
                response = self.refused("NotImplemented", 501, call, Bucket=name, **more)
                self.assertIn(named, response["Error"]["Message"])

    def test_unsigned_requests_are_refused(self):
        with self.assertRaises(urllib.error.HTTPError) as caught:
            OPENER.open(f"{ENDPOINT}/{self.bucket()}")
        self.assertEqual(caught.exception.code, 403)
        self.assertIn("AccessDenied", caught.exception.read().decode())
        caught.exception.close()

    def test_the_log_names_the_operations(self):
        access_key = f"AKIASIM00{uuid.uuid4().int % 10**12:012d}"
        own = client("us-east-1", access_key)
        name = self.name()
        own.create_bucket(Bucket=name)
        own.get_public_access_block(Bucket=name)
        self.refused("NoSuchTagSet", 404, own.get_bucket_tagging, Bucket=name)
        log = json.loads(control(f"accounts/{access_key}/requests"))
        self.assertEqual(
            [(one["operation"], one["mutating"], one["error"], one["status"]) for one in log],
            [
                ("CreateBucket", True, None, 200),
                ("GetPublicAccessBlock", False, None, 200),
                ("GetBucketTagging", False, "NoSuchTagSet", 404),
            ],
        )

    def test_throttling_on_demand(self):
        access_key = f"AKIASIM00{uuid.uuid4().int % 10**12:012d}"
        own = client("us-east-1", access_key)
        fault = {"service": "s3", "operation": "ListBuckets", "times": 1, "kind": "Throttle"}
        control(f"accounts/{access_key}/faults", "POST", json.dumps(fault).encode())
        self.refused("SlowDown", 503, own.list_buckets)
        own.list_buckets()


class Cli(Suite):
    """The real `aws` CLI."""

    def aws(self, *arguments, fails=None, region=REGION):
        environment = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_DEFAULT_REGION": region,
            "AWS_ENDPOINT_URL": ENDPOINT,
            "AWS_PAGER": "",
        }
        done = subprocess.run(
            [os.environ.get("AWS_CLI", "aws"), *arguments, "--output", "json"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        if fails:
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(fails, done.stderr)
            return None
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout) if done.stdout.strip().startswith(("{", "[")) else done.stdout

    def test_a_bucket_from_creation_to_deletion(self):
        name = self.name()
        self.aws("s3", "mb", f"s3://{name}")
        encryption = self.aws("s3api", "get-bucket-encryption", "--bucket", name)
        (rule,) = encryption["ServerSideEncryptionConfiguration"]["Rules"]
        self.assertEqual(rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"], "AES256")
        self.aws(
            "s3api",
            "put-public-access-block",
            "--bucket",
            name,
            "--public-access-block-configuration",
            "BlockPublicAcls=false,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true",
        )
        block = self.aws("s3api", "get-public-access-block", "--bucket", name)
        self.assertFalse(block["PublicAccessBlockConfiguration"]["BlockPublicAcls"])
        self.aws("s3api", "get-bucket-policy", "--bucket", name, fails="NoSuchBucketPolicy")
        self.aws("s3api", "head-bucket", "--bucket", self.name(), fails="404")
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"hello")
            file.flush()
            self.aws("s3", "cp", file.name, f"s3://{name}/dir/hello", "--no-progress")
        self.assertIn("hello", self.aws("s3", "ls", f"s3://{name}/dir/"))
        self.assertEqual(self.aws("s3", "cp", f"s3://{name}/dir/hello", "-"), "hello")
        self.aws("s3", "rb", f"s3://{name}", fails="BucketNotEmpty")
        self.aws("s3", "rm", f"s3://{name}", "--recursive")
        self.aws("s3", "rb", f"s3://{name}")


if __name__ == "__main__":
    unittest.main()
