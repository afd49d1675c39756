"""KMS and STS as boto3 and the AWS CLI see them.

Run against a stand-in whose clock stands still (`aws-sim --speed 0`), with an account of its own:
SIM_ENDPOINT=http://127.0.0.1:PORT SIM_ACCESS_KEY=AKIA... python -m unittest -v kms_sts_suite
"""

import datetime
import json
import os
import shutil
import ssl
import subprocess
import unittest
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT = os.environ["SIM_ENDPOINT"]
ACCESS_KEY = os.environ["SIM_ACCESS_KEY"]
REGION = "us-east-1"
DAY = 24 * 3600


def advance(seconds):
    """Lets virtual time pass."""
    url = f"{ENDPOINT}/_sim/accounts/{ACCESS_KEY}/advance?seconds={seconds}"
    bundle = os.environ.get("AWS_CA_BUNDLE")
    context = ssl.create_default_context(cafile=bundle) if bundle else None
    with urllib.request.urlopen(urllib.request.Request(url, method="POST"), context=context) as answer:
        return answer.read().decode()


def client(service, access_key=ACCESS_KEY, region=REGION):
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=ENDPOINT,
        aws_access_key_id=access_key,
        aws_secret_access_key="any",
        # The stand-in shall refuse what boto3 would not even send.
        config=Config(retries={"max_attempts": 1}, parameter_validation=False),
    )


def aws(*arguments):
    """Runs the AWS CLI and answers its JSON."""
    tool = os.environ.get("AWS_CLI") or shutil.which("aws")
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": ENDPOINT,
        "AWS_PAGER": "",
    }
    command = [tool, *arguments, "--output", "json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout or "null")


class Keys(unittest.TestCase):
    def setUp(self):
        self.kms = client("kms")

    def refused(self, code, call, **parameters):
        with self.assertRaises(ClientError, msg=f"{code}: {parameters}") as refusal:
            call(**parameters)
        self.assertEqual(refusal.exception.response["Error"]["Code"], code, f"{parameters}: {refusal.exception}")

    def create(self, **parameters):
        return self.kms.create_key(**parameters)["KeyMetadata"]["KeyId"]

    def state(self, key):
        return self.kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"]

    def test_a_key_is_created_and_described_by_id_arn_and_alias(self):
        key = self.create(Description="mine", Tags=[{"TagKey": "team", "TagValue": "a"}])
        alias = f"alias/{key}"
        self.kms.create_alias(AliasName=alias, TargetKeyId=key)
        by_id = self.kms.describe_key(KeyId=key)["KeyMetadata"]
        self.assertEqual(by_id["KeyManager"], "CUSTOMER")
        self.assertEqual(by_id["KeyState"], "Enabled")
        self.assertIsInstance(by_id["CreationDate"], datetime.datetime)
        for reference in [by_id["Arn"], alias, by_id["Arn"].replace(f"key/{key}", alias)]:
            self.assertEqual(self.kms.describe_key(KeyId=reference)["KeyMetadata"], by_id)
        self.assertEqual(self.kms.list_resource_tags(KeyId=key)["Tags"], [{"TagKey": "team", "TagValue": "a"}])
        self.assertIn(key, [entry["KeyId"] for entry in self.kms.list_keys()["Keys"]])
        self.refused("NotFoundException", self.kms.describe_key, KeyId="alias/never-made")
        self.refused("NotFoundException", client("kms", region="eu-central-1").describe_key, KeyId=key)

    def test_the_key_that_aws_manages_for_rds(self):
        key = self.kms.describe_key(KeyId="alias/aws/rds")["KeyMetadata"]
        self.assertEqual(key["KeyManager"], "AWS")
        aliases = [alias["AliasName"] for alias in self.kms.list_aliases()["Aliases"]]
        self.assertIn("alias/aws/rds", aliases)
        self.assertTrue(self.kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"])
        self.refused("AccessDeniedException", self.kms.schedule_key_deletion, KeyId=key["KeyId"])
        self.refused("InvalidAliasNameException", self.kms.create_alias,
                     AliasName="alias/aws/mine", TargetKeyId=key["KeyId"])

    def test_rotation_has_a_period(self):
        key = self.create()
        self.assertFalse(self.kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"])
        self.kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=180)
        status = self.kms.get_key_rotation_status(KeyId=key)
        self.assertEqual(status["RotationPeriodInDays"], 180)
        self.assertIsInstance(status["NextRotationDate"], datetime.datetime)
        for days in (89, 2561):
            self.refused("ValidationException", self.kms.enable_key_rotation, KeyId=key, RotationPeriodInDays=days)
        self.kms.disable_key(KeyId=key)
        self.refused("DisabledException", self.kms.enable_key_rotation, KeyId=key)
        self.kms.enable_key(KeyId=key)
        self.kms.disable_key_rotation(KeyId=key)
        self.assertFalse(self.kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"])

    def test_deletion_waits_and_can_be_cancelled(self):
        key = self.create()
        for days in (3, 31):
            self.refused("ValidationException", self.kms.schedule_key_deletion, KeyId=key, PendingWindowInDays=days)
        answer = self.kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
        self.assertIsInstance(answer["DeletionDate"], datetime.datetime)
        self.assertEqual(self.state(key), "PendingDeletion")
        self.refused("KMSInvalidStateException", self.kms.enable_key, KeyId=key)
        self.refused("KMSInvalidStateException", self.kms.create_alias, AliasName="alias/late", TargetKeyId=key)
        self.kms.cancel_key_deletion(KeyId=key)
        self.assertEqual(self.state(key), "Disabled")
        self.kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
        advance(7 * DAY)
        self.refused("NotFoundException", self.kms.describe_key, KeyId=key)

    def test_an_alias_moves(self):
        first, second = self.create(), self.create()
        alias = f"alias/{first}"
        self.kms.create_alias(AliasName=alias, TargetKeyId=first)
        self.refused("AlreadyExistsException", self.kms.create_alias, AliasName=alias, TargetKeyId=second)
        self.kms.update_alias(AliasName=alias, TargetKeyId=second)
        self.assertEqual(self.kms.describe_key(KeyId=alias)["KeyMetadata"]["KeyId"], second)
        self.assertEqual(self.kms.list_aliases(KeyId=first)["Aliases"], [])

    def test_tags_are_checked(self):
        key = self.create()
        self.kms.tag_resource(KeyId=key, Tags=[{"TagKey": "a", "TagValue": ""}])
        self.refused("TagException", self.kms.tag_resource, KeyId=key, Tags=[{"TagKey": "aws:a", "TagValue": "1"}])
        self.kms.untag_resource(KeyId=key, TagKeys=["a"])
        self.assertEqual(self.kms.list_resource_tags(KeyId=key)["Tags"], [])

    def test_listings_have_pages(self):
        keys = {self.create() for _ in range(5)}
        pages = list(self.kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 3}))
        self.assertGreater(len(pages), 2)
        found = [entry["KeyId"] for page in pages for entry in page["Keys"]]
        self.assertEqual(len(found), len(set(found)))
        self.assertLessEqual(keys, set(found))

    def test_a_cache_takes_the_key_and_answers_its_arn(self):
        key = self.create()
        answer = client("elasticache").create_replication_group(
            ReplicationGroupId=f"with-key-{key[:8]}", ReplicationGroupDescription="x",
            CacheNodeType="cache.t3.micro", AtRestEncryptionEnabled=True, KmsKeyId=key,
        )
        self.assertEqual(answer["ReplicationGroup"]["KmsKeyId"], self.kms.describe_key(KeyId=key)["KeyMetadata"]["Arn"])

    def test_what_is_not_served_is_refused_loudly(self):
        with self.assertRaises(ClientError) as refusal:
            self.kms.encrypt(KeyId="alias/aws/rds", Plaintext=b"x")
        self.assertEqual(refusal.exception.response["ResponseMetadata"]["HTTPStatusCode"], 501)

    def test_the_command_line(self):
        key = aws("kms", "create-key", "--description", "by hand")["KeyMetadata"]["KeyId"]
        aws("kms", "enable-key-rotation", "--key-id", key)
        self.assertEqual(aws("kms", "get-key-rotation-status", "--key-id", key)["RotationPeriodInDays"], 365)
        answer = aws("kms", "describe-key", "--key-id", "alias/aws/rds", "--query", "KeyMetadata.KeyManager")
        self.assertEqual(answer, "AWS")


class Identity(unittest.TestCase):
    def test_the_access_key_tells_the_account(self):
        for key, account in [
            ("AKIASIM00111122223333", "111122223333"),
            ("AKIASIM00444455556666", "444455556666"),
        ]:
            identity = client("sts", key).get_caller_identity()
            self.assertEqual(identity["Account"], account)
            self.assertIn(f":{account}:", identity["Arn"])

    def test_keys_of_another_account_are_not_there(self):
        key = client("kms").create_key()["KeyMetadata"]["KeyId"]
        with self.assertRaises(ClientError) as refusal:
            client("kms", "AKIASIM00999988887777").describe_key(KeyId=key)
        self.assertEqual(refusal.exception.response["Error"]["Code"], "NotFoundException")

    def test_the_command_line(self):
        mine = client("sts").get_caller_identity()["Account"]
        self.assertEqual(aws("sts", "get-caller-identity", "--query", "Account"), mine)


if __name__ == "__main__":
    unittest.main()
