"""ElastiCache as boto3 and the AWS CLI see it.

Run against a stand-in whose clock stands still (`aws-sim --speed 0`), with an account of its own:
SIM_ENDPOINT=http://127.0.0.1:PORT SIM_ACCESS_KEY=AKIA... python -m unittest -v elasticache_suite
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
from botocore.exceptions import ClientError, WaiterError

ENDPOINT = os.environ["SIM_ENDPOINT"]
ACCESS_KEY = os.environ["SIM_ACCESS_KEY"]
REGION = "us-east-1"
TOKEN = "token-number-one-1234!&#$^<>-"


def advance(seconds):
    """Lets virtual time pass."""
    url = f"{ENDPOINT}/_sim/accounts/{ACCESS_KEY}/advance?seconds={seconds}"
    bundle = os.environ.get("AWS_CA_BUNDLE")
    context = ssl.create_default_context(cafile=bundle) if bundle else None
    with urllib.request.urlopen(urllib.request.Request(url, method="POST"), context=context) as answer:
        return answer.read().decode()


def client(region=REGION):
    return boto3.client(
        "elasticache",
        region_name=region,
        endpoint_url=ENDPOINT,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key="any",
        config=Config(retries={"max_attempts": 1}),
    )


def aws(*arguments):
    """Runs the AWS CLI; its answer as JSON, or a CompletedProcess if it failed."""
    tool = os.environ.get("AWS_CLI") or shutil.which("aws")
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": ENDPOINT,
        "AWS_PAGER": "",
    }
    command = [tool, "elasticache", *arguments, "--output", "json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return json.loads(done.stdout) if done.returncode == 0 and done.stdout.strip() else done


class Suite(unittest.TestCase):
    count = 0

    def setUp(self):
        self.cache = client()
        Suite.count += 1
        self.id = f"group-{Suite.count}"

    def refused(self, code, call, **parameters):
        with self.assertRaises(ClientError, msg=f"{code}: {parameters}") as refusal:
            call(**parameters)
        self.assertEqual(refusal.exception.response["Error"]["Code"], code, f"{parameters}: {refusal.exception}")
        return refusal.exception.response

    def create(self, **more):
        parameters = {
            "ReplicationGroupId": self.id,
            "ReplicationGroupDescription": "sessions",
            "CacheNodeType": "cache.t3.micro",
            "Engine": "redis",
            "EngineVersion": "7.1",
            "NumNodeGroups": 1,
            "ReplicasPerNodeGroup": 0,
            "AutomaticFailoverEnabled": False,
            "AtRestEncryptionEnabled": True,
            "TransitEncryptionEnabled": True,
            **more,
        }
        parameters = {name: value for name, value in parameters.items() if value is not None}
        return self.cache.create_replication_group(**parameters)["ReplicationGroup"]

    def available(self, **more):
        group = self.create(**more)
        advance(600)
        return group

    def modify(self, **more):
        return self.cache.modify_replication_group(ReplicationGroupId=self.id, **more)["ReplicationGroup"]

    def group(self, cache=None):
        cache = cache or self.cache
        return cache.describe_replication_groups(ReplicationGroupId=self.id)["ReplicationGroups"][0]

    def member(self, number=1):
        found = self.cache.describe_cache_clusters(
            CacheClusterId=f"{self.id}-{number:03}", ShowCacheNodeInfo=True
        )
        return found["CacheClusters"][0]


class Groups(Suite):
    def test_a_group_is_created_and_becomes_available(self):
        created = self.create(AuthToken=TOKEN, Tags=[{"Key": "showcore.io/owner", "Value": "ShowCoreCache/a/b"}])
        self.assertEqual(created["Status"], "creating")
        self.assertIsInstance(created["ReplicationGroupCreateTime"], datetime.datetime)
        self.refused("InvalidReplicationGroupState", self.cache.list_tags_for_resource, ResourceName=created["ARN"])
        advance(600)
        self.cache.get_waiter("replication_group_available").wait(
            ReplicationGroupId=self.id, WaiterConfig={"MaxAttempts": 1}
        )
        group = self.group()
        self.assertTrue(group["AtRestEncryptionEnabled"])
        self.assertTrue(group["TransitEncryptionEnabled"])
        self.assertTrue(group["AuthTokenEnabled"])
        self.assertNotIn("KmsKeyId", group)
        self.assertNotIn("ConfigurationEndpoint", group)
        self.assertEqual(group["ClusterEnabled"], False)
        self.assertEqual(group["AutomaticFailover"], "disabled")
        self.assertEqual(group["PendingModifiedValues"], {})
        shard = group["NodeGroups"][0]
        self.assertEqual(shard["Status"], "available")
        self.assertEqual(shard["PrimaryEndpoint"]["Port"], 6379)
        self.assertIn("ReaderEndpoint", shard)
        self.assertEqual(shard["NodeGroupMembers"][0]["CurrentRole"], "primary")
        tags = self.cache.list_tags_for_resource(ResourceName=group["ARN"])["TagList"]
        self.assertEqual(tags, [{"Key": "showcore.io/owner", "Value": "ShowCoreCache/a/b"}])
        response = self.refused("ReplicationGroupAlreadyExists", lambda: self.create())
        self.assertEqual(response["ResponseMetadata"]["HTTPStatusCode"], 400)

    def test_members_carry_what_the_group_does_not_say(self):
        self.available(
            SecurityGroupIds=["sg-0123456789abcdef0"],
            PreferredMaintenanceWindow="sun:05:00-sun:06:00",
            SnapshotWindow="03:00-04:00",
            SnapshotRetentionLimit=7,
        )
        member = self.member()
        self.assertTrue(member["AtRestEncryptionEnabled"])
        self.assertTrue(member["TransitEncryptionEnabled"])
        self.assertEqual(member["EngineVersion"], "7.1.0")
        self.assertEqual(member["Engine"], "redis")
        self.assertEqual(member["ReplicationGroupId"], self.id)
        self.assertEqual(member["PreferredMaintenanceWindow"], "sun:05:00-sun:06:00")
        self.assertEqual(member["SecurityGroups"], [{"SecurityGroupId": "sg-0123456789abcdef0", "Status": "active"}])
        self.assertEqual(member["CacheParameterGroup"]["CacheParameterGroupName"], "default.redis7")
        self.assertEqual(member["CacheNodes"][0]["CacheNodeStatus"], "available")
        self.assertEqual(self.group()["SnapshottingClusterId"], f"{self.id}-001")
        alone = self.cache.describe_cache_clusters(ShowCacheClustersNotInReplicationGroups=True)["CacheClusters"]
        self.assertNotIn(f"{self.id}-001", [cluster["CacheClusterId"] for cluster in alone])

    def test_redis_is_unencrypted_unless_asked_and_valkey_encrypted(self):
        self.available(AtRestEncryptionEnabled=None, TransitEncryptionEnabled=None)
        self.assertFalse(self.member()["AtRestEncryptionEnabled"])
        self.id += "-valkey"
        self.available(Engine="valkey", EngineVersion="8.0", AtRestEncryptionEnabled=None)
        self.assertTrue(self.member()["AtRestEncryptionEnabled"])
        self.assertEqual(self.group()["Engine"], "valkey")
        self.assertEqual(self.member()["EngineVersion"], "8.0.1")

    def test_creation_is_refused_as_aws_refuses_it(self):
        value, combination = "InvalidParameterValue", "InvalidParameterCombination"
        for code, more in [
            (value, {"ReplicationGroupId": "bad--name"}),
            (value, {"ReplicationGroupId": "a" * 41}),
            (value, {"CacheNodeType": "cache.t3.enormous"}),
            (value, {"EngineVersion": "7.1.0"}),
            (value, {"EngineVersion": "99"}),
            (combination, {"AutomaticFailoverEnabled": True}),
            (combination, {"AuthToken": TOKEN, "TransitEncryptionEnabled": False}),
            (value, {"AuthToken": "abc"}),
            (value, {"AuthToken": "with/slash/and/more1"}),
            (combination, {"KmsKeyId": "alias/mine", "AtRestEncryptionEnabled": False}),
            (value, {"KmsKeyId": "alias/never-made"}),
            ("CacheParameterGroupNotFound", {"CacheParameterGroupName": "never-made"}),
            (combination, {"CacheParameterGroupName": "default.redis6.x"}),
            ("CacheSubnetGroupNotFoundFault", {"CacheSubnetGroupName": "never-made"}),
            (value, {"SecurityGroupIds": ["sg-none"]}),
            (value, {"SnapshotRetentionLimit": 36}),
            (value, {"PreferredMaintenanceWindow": "sun:05:00-sun:05:30"}),
            (value, {"Tags": [{"Key": "aws:mine", "Value": "1"}]}),
            ("TagQuotaPerResourceExceeded", {"Tags": [{"Key": f"k{n}", "Value": "v"} for n in range(51)]}),
        ]:
            self.refused(code, self.create, **more)
        response = self.refused("ReplicationGroupNotFoundFault", self.group)
        self.assertEqual(response["ResponseMetadata"]["HTTPStatusCode"], 404)

    def test_listings_have_pages(self):
        ids = [f"page-{n:02}" for n in range(23)]
        for self.id in ids:
            self.create()
        self.refused("InvalidParameterValue", self.cache.describe_replication_groups, MaxRecords=10)
        first = self.cache.describe_replication_groups(MaxRecords=20)
        self.assertEqual(len(first["ReplicationGroups"]), 20)
        self.assertIn("Marker", first)
        pages = self.cache.get_paginator("describe_replication_groups").paginate(PaginationConfig={"PageSize": 20})
        found = [group["ReplicationGroupId"] for page in pages for group in page["ReplicationGroups"]]
        self.assertEqual([name for name in found if name.startswith("page-")], ids)
        self.assertEqual(len(found), len(set(found)))
        pages = self.cache.get_paginator("describe_cache_clusters").paginate(PaginationConfig={"PageSize": 20})
        members = [cluster["CacheClusterId"] for page in pages for cluster in page["CacheClusters"]]
        self.assertLessEqual({f"{name}-001" for name in ids}, set(members))

    def test_regions_and_accounts_are_apart(self):
        self.create()
        self.refused("ReplicationGroupNotFoundFault", lambda: self.group(client("eu-central-1")))


class Changes(Suite):
    def test_nothing_is_modified_unless_available(self):
        self.create()
        self.refused("InvalidReplicationGroupState", self.modify, ReplicationGroupDescription="new")
        self.refused("InvalidReplicationGroupState", self.cache.delete_replication_group, ReplicationGroupId=self.id)
        advance(600)
        self.modify(ReplicationGroupDescription="new")
        self.assertEqual(self.group()["Description"], "new")

    def test_the_node_type_waits_for_the_window(self):
        self.available()
        self.modify(CacheNodeType="cache.t3.small", ApplyImmediately=False)
        self.assertEqual(self.group()["CacheNodeType"], "cache.t3.micro")
        self.assertEqual(self.member()["PendingModifiedValues"], {"CacheNodeType": "cache.t3.small"})
        advance(8 * 24 * 3600)
        self.assertEqual(self.group()["CacheNodeType"], "cache.t3.small")

    def test_at_once_is_modifying_for_a_while(self):
        self.available(EngineVersion="7.0")
        answer = self.modify(EngineVersion="7.1", SecurityGroupIds=["sg-0a0a0a0a"], ApplyImmediately=True)
        self.assertEqual(answer["Status"], "modifying")
        self.assertEqual(self.member()["EngineVersion"], "7.0.7")
        self.assertEqual(self.member()["CacheClusterStatus"], "modifying")
        self.refused("InvalidReplicationGroupState", self.cache.delete_replication_group, ReplicationGroupId=self.id)
        advance(600)
        self.assertEqual(self.member()["EngineVersion"], "7.1.0")
        self.assertEqual(self.member()["SecurityGroups"][0]["SecurityGroupId"], "sg-0a0a0a0a")
        self.refused("InvalidParameterValue", self.modify, EngineVersion="7.0", ApplyImmediately=True)

    def test_snapshots_are_turned_on_with_their_source(self):
        self.available()
        self.refused("InvalidParameterCombination", self.modify, SnapshotRetentionLimit=7)
        self.modify(SnapshotRetentionLimit=7, SnapshottingClusterId=f"{self.id}-001")
        self.assertEqual(self.group()["SnapshotRetentionLimit"], 7)
        self.assertEqual(self.group()["Status"], "available")
        self.modify(SnapshotRetentionLimit=0)
        self.assertNotIn("SnapshottingClusterId", self.group())

    def test_a_token_is_rotated_then_set(self):
        self.available(AuthToken=TOKEN)
        second = "token-number-two-1234"
        self.refused("InvalidParameterCombination", self.modify,
                     AuthToken=second, AuthTokenUpdateStrategy="SET", ApplyImmediately=True)
        for strategy, status in [("ROTATE", "ROTATING"), ("SET", "SETTING")]:
            answer = self.modify(AuthToken=second, AuthTokenUpdateStrategy=strategy, ApplyImmediately=True)
            self.assertEqual(answer["PendingModifiedValues"]["AuthTokenStatus"], status)
            advance(600)
            self.assertIsInstance(self.group()["AuthTokenLastModifiedDate"], datetime.datetime)

    def test_the_unchanged_transit_switch_is_refused_with_a_token(self):
        self.available(AuthToken=TOKEN)
        self.refused("InvalidParameterCombination", self.modify,
                     TransitEncryptionEnabled=True, CacheNodeType="cache.t3.small", ApplyImmediately=True)

    def test_replicas_and_failover_have_an_order(self):
        self.available()
        increase, decrease = self.cache.increase_replica_count, self.cache.decrease_replica_count
        to = {"ReplicationGroupId": self.id, "ApplyImmediately": True}
        self.refused("InvalidParameterCombination", self.modify, AutomaticFailoverEnabled=True, ApplyImmediately=True)
        self.refused("NoOperationFault", increase, NewReplicaCount=0, **to)
        self.refused("InvalidParameterValue", increase,
                     ReplicationGroupId=self.id, ApplyImmediately=False, NewReplicaCount=1)
        self.assertEqual(increase(NewReplicaCount=1, **to)["ReplicationGroup"]["Status"], "modifying")
        self.assertEqual(self.member(2)["CacheClusterStatus"], "creating")
        advance(600)
        self.assertEqual(self.group()["MemberClusters"], [f"{self.id}-001", f"{self.id}-002"])
        answer = self.modify(AutomaticFailoverEnabled=True, MultiAZEnabled=True, ApplyImmediately=True)
        self.assertEqual(answer["AutomaticFailover"], "enabling")
        advance(600)
        self.assertEqual(self.group()["AutomaticFailover"], "enabled")
        self.refused("InvalidParameterCombination", decrease, NewReplicaCount=0, **to)
        self.modify(AutomaticFailoverEnabled=False, MultiAZEnabled=False, ApplyImmediately=True)
        self.assertEqual(self.group()["AutomaticFailover"], "disabling")
        advance(600)
        decrease(NewReplicaCount=0, **to)
        advance(600)
        self.assertEqual(self.group()["MemberClusters"], [f"{self.id}-001"])
        self.refused("CacheClusterNotFound", self.member, number=2)


class Settings(Suite):
    def log(self, name, log_type="slow-log"):
        return {
            "LogType": log_type,
            "DestinationType": "cloudwatch-logs",
            "DestinationDetails": {"CloudWatchLogsDetails": {"LogGroup": name}},
            "LogFormat": "json",
        }

    def test_a_parameter_group_of_ones_own(self):
        name = f"{self.id}-redis7"
        change = {"CacheParameterGroupName": name}
        made = self.cache.create_cache_parameter_group(
            CacheParameterGroupFamily="redis7", Description="ours", Tags=[{"Key": "a", "Value": "1"}], **change
        )["CacheParameterGroup"]
        self.refused("CacheParameterGroupAlreadyExists", self.cache.create_cache_parameter_group,
                     CacheParameterGroupFamily="redis7", Description="ours", **change)
        tags = self.cache.list_tags_for_resource(ResourceName=made["ARN"])["TagList"]
        self.assertEqual(tags, [{"Key": "a", "Value": "1"}])
        policy = {"ParameterName": "maxmemory-policy", "ParameterValue": "allkeys-lru"}
        self.cache.modify_cache_parameter_group(ParameterNameValues=[policy], **change)
        shown = self.cache.describe_cache_parameters(Source="user", **change)["Parameters"]
        self.assertEqual([(one["ParameterName"], one["ParameterValue"]) for one in shown],
                         [("maxmemory-policy", "allkeys-lru")])
        for wrong in [{"ParameterName": "no-such", "ParameterValue": "1"},
                      {"ParameterName": "timeout", "ParameterValue": "never"}]:
            self.refused("InvalidParameterValue", self.cache.modify_cache_parameter_group,
                         ParameterNameValues=[wrong], **change)
        self.refused("InvalidCacheParameterGroupState", self.cache.modify_cache_parameter_group,
                     CacheParameterGroupName="default.redis7", ParameterNameValues=[policy])
        self.available(**change)
        self.assertEqual(self.member()["CacheParameterGroup"]["CacheParameterGroupName"], name)
        self.refused("InvalidCacheParameterGroupState", self.cache.delete_cache_parameter_group, **change)
        self.cache.reset_cache_parameter_group(ResetAllParameters=True, **change)
        self.assertEqual(self.cache.describe_cache_parameters(Source="user", **change)["Parameters"], [])
        self.modify(CacheParameterGroupName="default.redis7", ApplyImmediately=True)
        advance(600)
        self.cache.delete_cache_parameter_group(**change)
        self.refused("CacheParameterGroupNotFound", self.cache.describe_cache_parameters, **change)

    def test_logs_are_delivered_changed_and_ended(self):
        self.available(LogDeliveryConfigurations=[self.log("/slow")])
        shown = self.group()["LogDeliveryConfigurations"]
        self.assertEqual(shown, [{**self.log("/slow"), "Status": "active"}])
        self.refused("InvalidParameterValue", self.modify, LogDeliveryConfigurations=[self.log("/other")])
        answer = self.modify(LogDeliveryConfigurations=[self.log("/engine", "engine-log")], ApplyImmediately=True)
        self.assertEqual(answer["Status"], "modifying")
        # boto3 reads pending ones by another name than AWS's other SDKs, so they are not looked at here.
        statuses = [one["Status"] for one in answer["LogDeliveryConfigurations"]]
        self.assertEqual(statuses, ["active", "enabling"])
        advance(600)
        off = [{"LogType": "slow-log", "Enabled": False}]
        answer = self.modify(LogDeliveryConfigurations=off, ApplyImmediately=True)
        self.assertIn("disabling", [one["Status"] for one in answer["LogDeliveryConfigurations"]])
        advance(600)
        self.assertEqual([one["LogType"] for one in self.group()["LogDeliveryConfigurations"]], ["engine-log"])

    def test_multi_az_comes_last_and_goes_first(self):
        self.available(Engine="valkey", EngineVersion="8.0", AuthToken=TOKEN, ReplicasPerNodeGroup=1)
        self.assertEqual(self.member()["CacheParameterGroup"]["CacheParameterGroupName"], "default.valkey8")
        on = {"MultiAZEnabled": True, "ApplyImmediately": True}
        self.refused("InvalidParameterCombination", self.modify, **on)
        self.modify(AutomaticFailoverEnabled=True, ApplyImmediately=True)
        advance(600)
        self.modify(**on)
        advance(600)
        self.assertEqual(self.group()["MultiAZ"], "enabled")
        self.refused("InvalidParameterCombination", self.modify, AutomaticFailoverEnabled=False, ApplyImmediately=True)
        self.refused("InvalidParameterCombination", self.cache.decrease_replica_count,
                     ReplicationGroupId=self.id, ApplyImmediately=True, NewReplicaCount=0)
        self.refused("InvalidParameterValue", self.modify, Engine="redis", EngineVersion="7.1", ApplyImmediately=True)


class Endings(Suite):
    def test_a_deleted_group_is_gone_and_its_final_snapshot_stays(self):
        self.available()
        final = f"{self.id}-final"
        answer = self.cache.delete_replication_group(ReplicationGroupId=self.id, FinalSnapshotIdentifier=final)
        self.assertEqual(answer["ReplicationGroup"]["Status"], "deleting")
        advance(200)
        snapshot = self.cache.describe_snapshots(SnapshotName=final)["Snapshots"][0]
        self.assertEqual(snapshot["SnapshotStatus"], "available")
        self.assertEqual(snapshot["SnapshotSource"], "manual")
        self.assertEqual(snapshot["CacheClusterId"], f"{self.id}-001")
        self.assertNotIn("KmsKeyId", snapshot)
        self.assertEqual(self.group()["Status"], "deleting")
        self.refused("ReplicationGroupAlreadyExists", self.create)
        advance(600)
        self.cache.get_waiter("replication_group_deleted").wait(
            ReplicationGroupId=self.id, WaiterConfig={"MaxAttempts": 1}
        )
        self.refused("ReplicationGroupNotFoundFault", self.group)
        self.available(SnapshotName=final)
        self.refused("SnapshotAlreadyExistsFault", self.cache.delete_replication_group,
                     ReplicationGroupId=self.id, FinalSnapshotIdentifier=final)
        self.assertEqual(self.cache.delete_snapshot(SnapshotName=final)["Snapshot"]["SnapshotStatus"], "deleting")
        advance(600)
        self.refused("SnapshotNotFoundFault", self.cache.describe_snapshots, SnapshotName=final)

    def test_a_snapshot_makes_its_group_busy(self):
        self.available()
        name, member = f"{self.id}-manual", f"{self.id}-001"
        self.cache.create_snapshot(SnapshotName=name, CacheClusterId=member)
        self.assertEqual(self.group()["Status"], "snapshotting")
        self.assertEqual(self.group()["NodeGroups"][0]["Status"], "available")
        self.refused("InvalidReplicationGroupState", self.modify, ReplicationGroupDescription="new")
        advance(600)
        self.assertEqual(self.group()["Status"], "available")
        mine = self.cache.describe_snapshots(CacheClusterId=member, SnapshotSource="user")["Snapshots"]
        self.assertEqual([snapshot["SnapshotName"] for snapshot in mine], [name])
        automatic = self.cache.describe_snapshots(CacheClusterId=member, SnapshotSource="system")["Snapshots"]
        self.assertEqual(automatic, [])

    def test_tags_are_added_and_removed_while_available(self):
        arn = self.available(Tags=[{"Key": "a", "Value": "1"}])["ARN"]
        added = self.cache.add_tags_to_resource(ResourceName=arn, Tags=[{"Key": "b", "Value": "2"}])["TagList"]
        self.assertEqual(added, [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
        left = self.cache.remove_tags_from_resource(ResourceName=arn, TagKeys=["a"])["TagList"]
        self.assertEqual(left, [{"Key": "b", "Value": "2"}])
        member = self.member()["ARN"]
        self.assertEqual(self.cache.list_tags_for_resource(ResourceName=member)["TagList"], left)
        self.refused("TagNotFound", self.cache.remove_tags_from_resource, ResourceName=arn, TagKeys=["a"])
        self.refused("InvalidARN", self.cache.list_tags_for_resource, ResourceName="arn:aws:elasticache:nowhere")
        self.refused("ReplicationGroupNotFoundFault", self.cache.list_tags_for_resource, ResourceName=arn + "x")

    def test_a_cluster_of_its_own_is_not_encrypted(self):
        self.cache.create_cache_cluster(CacheClusterId=self.id, Engine="redis", CacheNodeType="cache.t3.micro",
                                        NumCacheNodes=1)
        advance(600)
        cluster = self.cache.describe_cache_clusters(CacheClusterId=self.id)["CacheClusters"][0]
        self.assertFalse(cluster["AtRestEncryptionEnabled"])
        self.assertNotIn("ReplicationGroupId", cluster)
        self.cache.delete_cache_cluster(CacheClusterId=self.id)
        advance(600)
        self.refused("CacheClusterNotFound", self.cache.describe_cache_clusters, CacheClusterId=self.id)

    def test_subnet_groups_and_parameter_groups(self):
        subnets = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
        create, name = self.cache.create_cache_subnet_group, f"{self.id}-subnets"
        parameters = {"CacheSubnetGroupName": name, "CacheSubnetGroupDescription": "mine", "SubnetIds": subnets}
        self.refused("InvalidSubnet", create, **{**parameters, "SubnetIds": ["none"]})
        create(**parameters)
        self.refused("CacheSubnetGroupAlreadyExists", create, **parameters)
        self.available(CacheSubnetGroupName=name)
        self.assertEqual(self.member()["CacheSubnetGroupName"], name)
        self.refused("CacheSubnetGroupInUse", self.cache.delete_cache_subnet_group, CacheSubnetGroupName=name)
        found = self.cache.describe_cache_subnet_groups(CacheSubnetGroupName=name)["CacheSubnetGroups"][0]
        self.assertEqual([subnet["SubnetIdentifier"] for subnet in found["Subnets"]], subnets)
        groups = self.cache.describe_cache_parameter_groups()["CacheParameterGroups"]
        names = [group["CacheParameterGroupName"] for group in groups]
        self.assertIn("default.redis7", names)
        self.assertIn("default.valkey8.cluster.on", names)

    def test_what_is_not_served_is_refused_loudly(self):
        for call, parameters in [
            (self.cache.reboot_cache_cluster, {"CacheClusterId": "x", "CacheNodeIdsToReboot": ["0001"]}),
            (self.create, {"UserGroupIds": ["users"]}),
        ]:
            with self.assertRaises(ClientError) as refusal:
                call(**parameters)
            self.assertEqual(refusal.exception.response["ResponseMetadata"]["HTTPStatusCode"], 501)

    def test_waiters_time_out_while_the_clock_stands(self):
        self.create()
        with self.assertRaises(WaiterError):
            self.cache.get_waiter("replication_group_available").wait(
                ReplicationGroupId=self.id, WaiterConfig={"MaxAttempts": 1}
            )


class CommandLine(Suite):
    def test_the_check_of_encryption_at_rest(self):
        self.available()
        answer = aws("describe-cache-clusters", "--cache-cluster-id", f"{self.id}-001",
                     "--query", "CacheClusters[0].AtRestEncryptionEnabled")
        self.assertIs(answer, True)

    def test_a_group_lives_and_dies_by_the_command_line(self):
        answer = aws("create-replication-group", "--replication-group-id", self.id,
                     "--replication-group-description", "made by hand", "--cache-node-type", "cache.t3.micro",
                     "--engine", "redis", "--engine-version", "7.1", "--num-node-groups", "1",
                     "--replicas-per-node-group", "0", "--at-rest-encryption-enabled",
                     "--transit-encryption-enabled", "--auth-token", TOKEN,
                     "--tags", "Key=team,Value=a", "Key=stage,Value=b")
        self.assertEqual(answer["ReplicationGroup"]["Status"], "creating")
        advance(600)
        answer = aws("modify-replication-group", "--replication-group-id", self.id,
                     "--snapshot-retention-limit", "3", "--snapshotting-cluster-id", f"{self.id}-001",
                     "--apply-immediately")
        self.assertEqual(answer["ReplicationGroup"]["SnapshotRetentionLimit"], 3)
        arn = answer["ReplicationGroup"]["ARN"]
        self.assertEqual(len(aws("list-tags-for-resource", "--resource-name", arn)["TagList"]), 2)
        aws("delete-replication-group", "--replication-group-id", self.id)
        advance(600)
        answer = aws("describe-replication-groups", "--replication-group-id", self.id)
        self.assertIn("ReplicationGroupNotFoundFault", answer.stderr)


if __name__ == "__main__":
    unittest.main()
