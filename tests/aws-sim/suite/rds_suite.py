"""RDS as boto3 and the aws CLI see it.

Run: SIM_ENDPOINT=http://127.0.0.1:PORT SIM_ACCESS_KEY=AKIASIM00… python -m unittest -v rds_suite
"""

import datetime
import json
import os
import subprocess
import unittest
import urllib.request

import boto3
import botocore.config
from botocore.exceptions import ClientError

ENDPOINT = os.environ["SIM_ENDPOINT"]
ACCESS_KEY = os.environ["SIM_ACCESS_KEY"]
REGION = "eu-central-1"
NAME = "suite-database"


def client(access_key=ACCESS_KEY, **config):
    return boto3.client(
        "rds",
        endpoint_url=ENDPOINT,
        region_name=REGION,
        aws_access_key_id=access_key,
        aws_secret_access_key="any",
        verify=os.environ.get("AWS_CA_BUNDLE"),
        config=botocore.config.Config(retries={"max_attempts": 0}, **config),
    )


def control(method, path, body=None):
    import ssl

    bundle = os.environ.get("AWS_CA_BUNDLE")
    context = ssl.create_default_context(cafile=bundle) if bundle else None
    request = urllib.request.Request(f"{ENDPOINT}/_sim/{path}", method=method, data=body)
    with urllib.request.urlopen(request, context=context) as answer:
        return answer.read().decode()


def advance(seconds):
    control("POST", f"accounts/{ACCESS_KEY}/advance?seconds={seconds}")


def aws(*arguments):
    environment = dict(
        os.environ,
        AWS_ENDPOINT_URL=ENDPOINT,
        AWS_ACCESS_KEY_ID=ACCESS_KEY,
        AWS_SECRET_ACCESS_KEY="any",
        AWS_DEFAULT_REGION=REGION,
        AWS_PAGER="",
    )
    command = [os.environ.get("AWS_CLI", "aws"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


WISHES = {
    "DBInstanceClass": "db.t3.micro",
    "Engine": "postgres",
    "EngineVersion": "16",
    "AllocatedStorage": 20,
    "MasterUsername": "showcore",
    "MasterUserPassword": "correct-horse",
    "StorageEncrypted": True,
    "PreferredBackupWindow": "01:00-02:00",
    "PreferredMaintenanceWindow": "sun:03:00-sun:04:00",
    "Tags": [{"Key": "owner", "Value": "a b/c=d"}],
}


class Rds(unittest.TestCase):
    def setUp(self):
        self.rds = client()
        self.name = f"{NAME}-{self._testMethodName.removeprefix('test_').replace('_', '-')}"[:60]
        self.addCleanup(self.no_violations)

    def no_violations(self):
        self.assertEqual(control("GET", "violations"), "")

    def refused(self, code, call, **parameters):
        with self.assertRaises(ClientError) as caught:
            call(**parameters)
        self.assertEqual(caught.exception.response["Error"]["Code"], code)
        return caught.exception.response

    def create(self, **changes):
        return self.rds.create_db_instance(DBInstanceIdentifier=self.name, **{**WISHES, **changes})["DBInstance"]

    def available(self, **changes):
        self.create(**changes)
        advance(600)
        shown = self.show()
        self.assertEqual(shown["DBInstanceStatus"], "available")
        return shown

    def show(self):
        return self.rds.describe_db_instances(DBInstanceIdentifier=self.name)["DBInstances"][0]

    def test_life(self):
        created = self.create()
        self.assertEqual(created["DBInstanceStatus"], "creating")
        self.assertNotIn("Endpoint", created)
        advance(300)
        self.assertEqual(self.show()["DBInstanceStatus"], "backing-up")
        advance(300)
        shown = self.show()
        self.assertIs(shown["StorageEncrypted"], True)
        self.assertRegex(shown["KmsKeyId"], rf"^arn:aws:kms:{REGION}:\d{{12}}:key/[0-9a-f-]{{36}}$")
        self.assertEqual(shown["TagList"], WISHES["Tags"])
        self.assertIsInstance(shown["InstanceCreateTime"], datetime.datetime)
        self.assertIn(self.name, shown["Endpoint"]["Address"])
        self.rds.delete_db_instance(DBInstanceIdentifier=self.name, FinalDBSnapshotIdentifier=f"{self.name}-final")
        snapshot = lambda: self.rds.describe_db_snapshots(DBSnapshotIdentifier=f"{self.name}-final")["DBSnapshots"][0]
        self.assertEqual(snapshot()["Status"], "creating")
        self.assertEqual(self.show()["DBInstanceStatus"], "deleting")
        advance(600)
        missing = self.refused("DBInstanceNotFound", self.rds.describe_db_instances, DBInstanceIdentifier=self.name)
        self.assertEqual(missing["ResponseMetadata"]["HTTPStatusCode"], 404)
        self.assertTrue(missing["ResponseMetadata"]["RequestId"])
        self.assertEqual((snapshot()["Status"], snapshot()["Encrypted"]), ("available", True))
        self.rds.delete_db_snapshot(DBSnapshotIdentifier=f"{self.name}-final")

    def test_typed_errors(self):
        with self.assertRaises(self.rds.exceptions.DBInstanceNotFoundFault):
            self.rds.describe_db_instances(DBInstanceIdentifier="none")
        self.create()
        with self.assertRaises(self.rds.exceptions.DBInstanceAlreadyExistsFault):
            self.create()
        with self.assertRaises(self.rds.exceptions.InvalidDBInstanceStateFault):
            self.rds.modify_db_instance(DBInstanceIdentifier=self.name, MultiAZ=True)

    def test_pending_values(self):
        self.available()
        self.rds.modify_db_instance(DBInstanceIdentifier=self.name, DBInstanceClass="db.t3.small", ApplyImmediately=False)
        shown = self.show()
        self.assertEqual(shown["DBInstanceClass"], "db.t3.micro")
        self.assertEqual(shown["PendingModifiedValues"], {"DBInstanceClass": "db.t3.small"})
        self.rds.modify_db_instance(DBInstanceIdentifier=self.name, MultiAZ=True, ApplyImmediately=True)
        self.assertEqual(self.show()["DBInstanceStatus"], "modifying")
        advance(300)
        shown = self.show()
        self.assertEqual((shown["DBInstanceClass"], shown["MultiAZ"]), ("db.t3.small", True))
        self.assertEqual(shown["PendingModifiedValues"], {})

    def test_settings_of_a_running_instance(self):
        self.available(AllocatedStorage=500, StorageType="gp3", EnableCloudwatchLogsExports=["postgresql"])
        modify = lambda **changes: self.rds.modify_db_instance(
            DBInstanceIdentifier=self.name, ApplyImmediately=True, **changes
        )
        self.refused("InvalidParameterCombination", modify, Iops=14000)
        modify(AllocatedStorage=500, Iops=14000, CACertificateIdentifier="rds-ca-rsa4096-g1")
        pending = {"Iops": 14000, "CACertificateIdentifier": "rds-ca-rsa4096-g1"}
        self.assertEqual(self.show()["PendingModifiedValues"], pending)
        advance(300)
        self.assertEqual(self.show()["DBInstanceStatus"], "storage-optimization")
        self.refused("InvalidParameterCombination", modify, AllocatedStorage=600, Iops=14000)
        modify(CloudwatchLogsExportConfiguration={"EnableLogTypes": ["upgrade"], "DisableLogTypes": ["postgresql"]})
        pending = {"LogTypesToEnable": ["upgrade"], "LogTypesToDisable": ["postgresql"]}
        self.assertEqual(self.show()["PendingModifiedValues"], {"PendingCloudwatchLogsExports": pending})
        advance(300)
        modify(EnablePerformanceInsights=True, PerformanceInsightsRetentionPeriod=465, DatabaseInsightsMode="advanced")
        shown = self.show()
        self.assertEqual(shown["EnabledCloudwatchLogsExports"], ["upgrade"])
        self.assertEqual((shown["PerformanceInsightsEnabled"], shown["DatabaseInsightsMode"]), (True, "advanced"))
        self.assertEqual((shown["Iops"], shown["CACertificateIdentifier"]), (14000, "rds-ca-rsa4096-g1"))
        self.refused("InvalidParameterCombination", modify, EngineVersion="17")
        self.refused("InvalidParameterCombination", modify, EngineVersion="17.2", AllowMajorVersionUpgrade=True)
        modify(EngineVersion="17", AllowMajorVersionUpgrade=True)
        advance(600)
        self.assertTrue(self.show()["EngineVersion"].startswith("17."))

    def test_window(self):
        self.available()
        self.rds.modify_db_instance(DBInstanceIdentifier=self.name, DBInstanceClass="db.t3.small")
        advance(8 * 24 * 3600)
        self.assertEqual(self.show()["DBInstanceClass"], "db.t3.small")

    def test_refusals(self):
        def refuse(code, **changes):
            self.refused(code, self.rds.create_db_instance, DBInstanceIdentifier=self.name, **{**WISHES, **changes})

        refuse("InvalidParameterValue", DBInstanceClass="db.t3.gigantic")
        refuse("InvalidParameterCombination", EngineVersion="99")
        refuse("InvalidParameterValue", BackupRetentionPeriod=99)
        refuse("InvalidParameterValue", AllocatedStorage=1)
        refuse("InvalidParameterValue", MasterUserPassword="a/b@c d\"")
        refuse("InvalidParameterValue", Tags=[{"Key": "aws:x", "Value": ""}])
        refuse("InvalidParameterValue", VpcSecurityGroupIds=["default"])
        refuse("KMSKeyNotAccessibleFault", KmsKeyId="alias/none")
        refuse("DBSubnetGroupNotFoundFault", DBSubnetGroupName="none")
        refuse("DBParameterGroupNotFound", DBParameterGroupName="none")
        refuse("NotImplemented", Engine="mysql")
        self.available(DeletionProtection=True)
        delete = self.rds.delete_db_instance
        self.refused("InvalidParameterCombination", delete, DBInstanceIdentifier=self.name, SkipFinalSnapshot=True)
        self.rds.modify_db_instance(DBInstanceIdentifier=self.name, DeletionProtection=False)
        self.refused("InvalidParameterCombination", delete, DBInstanceIdentifier=self.name)
        modify = self.rds.modify_db_instance
        self.refused("InvalidParameterCombination", modify, DBInstanceIdentifier=self.name, AllocatedStorage=10)
        self.refused("InvalidParameterCombination", modify, DBInstanceIdentifier=self.name, EngineVersion="15.10")

    def test_pages(self):
        # An account of its own, so that the number is known.
        rds = client(f"{ACCESS_KEY}-pages")
        before = len(rds.get_paginator("describe_db_instances").paginate().build_full_result()["DBInstances"])
        if before == 0:
            for number in range(25):
                rds.create_db_instance(DBInstanceIdentifier=f"page-{number:02}", **WISHES)
        paginator = rds.get_paginator("describe_db_instances")
        pages = [len(page["DBInstances"]) for page in paginator.paginate(PaginationConfig={"PageSize": 20})]
        self.assertEqual(pages, [20, 5])
        self.refused("InvalidParameterValue", rds.describe_db_instances, MaxRecords=5)

    def test_waiter(self):
        self.create()
        advance(600)
        self.rds.get_waiter("db_instance_available").wait(DBInstanceIdentifier=self.name, WaiterConfig={"Delay": 1, "MaxAttempts": 2})

    def test_tags(self):
        arn = self.create()["DBInstanceArn"]
        self.rds.add_tags_to_resource(ResourceName=arn, Tags=[{"Key": "é", "Value": "ü"}])
        self.rds.remove_tags_from_resource(ResourceName=arn, TagKeys=["owner"])
        self.assertEqual(self.show()["TagList"], [{"Key": "é", "Value": "ü"}])
        self.assertEqual(self.rds.list_tags_for_resource(ResourceName=arn)["TagList"], [{"Key": "é", "Value": "ü"}])
        self.refused("InvalidParameterValue", self.rds.add_tags_to_resource, ResourceName=arn, Tags=[{"Key": "x", "Value": "<&>"}])

    def test_parameter_groups(self):
        group = self.name
        self.rds.create_db_parameter_group(DBParameterGroupName=group, DBParameterGroupFamily="postgres16", Description="d")
        self.available(DBParameterGroupName=group)

        def change(name, value, method):
            parameter = {"ParameterName": name, "ParameterValue": value, "ApplyMethod": method}
            return self.rds.modify_db_parameter_group(DBParameterGroupName=group, Parameters=[parameter])

        self.assertEqual(change("rds.force_ssl", "0", "immediate")["DBParameterGroupName"], group)
        status = lambda: self.show()["DBParameterGroups"][0]["ParameterApplyStatus"]
        self.assertEqual(status(), "applying")
        advance(60)
        self.assertEqual(status(), "in-sync")
        change("max_connections", "100", "pending-reboot")
        advance(60)
        self.assertEqual(status(), "pending-reboot")
        self.rds.reboot_db_instance(DBInstanceIdentifier=self.name)
        advance(60)
        self.assertEqual(status(), "in-sync")
        pages = self.rds.get_paginator("describe_db_parameters").paginate(DBParameterGroupName=group, PaginationConfig={"PageSize": 20})
        values = {p["ParameterName"]: p.get("ParameterValue") for page in pages for p in page["Parameters"]}
        self.assertEqual(values["rds.force_ssl"], "0")
        self.refused("InvalidDBParameterGroupState", self.rds.delete_db_parameter_group, DBParameterGroupName=group)

    def test_log_and_faults(self):
        fault = {"service": "rds", "operation": "DescribeDBInstances", "times": 1, "kind": "Throttle"}
        control("POST", f"accounts/{ACCESS_KEY}/faults", json.dumps(fault).encode())
        self.refused("Throttling", self.rds.describe_db_instances)
        self.create(MasterUserPassword="secret-secret")
        log = control("GET", f"accounts/{ACCESS_KEY}/requests")
        self.assertNotIn("secret-secret", log)
        last = json.loads(log)[-1]
        self.assertEqual((last["operation"], last["mutating"], last["status"]), ("CreateDBInstance", True, 200))

    def test_answer_lost(self):
        fault = {"service": "rds", "operation": "CreateDBInstance", "times": 1, "kind": "AnswerLost"}
        control("POST", f"accounts/{ACCESS_KEY}/faults", json.dumps(fault).encode())
        with self.assertRaises(Exception) as caught:
            self.create()
        self.assertNotIsInstance(caught.exception, ClientError)
        self.assertEqual(self.show()["DBInstanceStatus"], "creating")

    def test_what_is_not_served_says_so(self):
        answer = self.refused("NotImplemented", self.rds.describe_db_clusters)
        self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 501)
        self.assertIn("DescribeDBClusters", answer["Error"]["Message"])

    def test_cli(self):
        made = aws(
            "rds", "create-db-instance", "--db-instance-identifier", self.name, "--db-instance-class", "db.t3.micro",
            "--engine", "postgres", "--allocated-storage", "20", "--master-username", "showcore",
            "--master-user-password", "correct-horse", "--storage-encrypted", "--tags", "Key=owner,Value=cli",
        )
        self.assertEqual(made.returncode, 0, made.stderr)
        # The check of requirement 3.5.
        checked = aws(
            "rds", "describe-db-instances", "--db-instance-identifier", self.name,
            "--query", "DBInstances[0].StorageEncrypted",
        )
        self.assertEqual(checked.stdout.strip(), "true", checked.stderr)
        missing = aws("rds", "describe-db-instances", "--db-instance-identifier", "none")
        self.assertIn("(DBInstanceNotFound)", missing.stderr)


if __name__ == "__main__":
    unittest.main()
