"""Removes everything that has a name of a run of tests (PREFIX, three digits, a letter and a hyphen) in the account that is
named.

    python sweep.py PREFIX ACCOUNT

With the standard AWS variables. Looks again until nothing is left, or half an hour has passed; says what it removes, and
ends with 1 if something stays.
"""

import os
import re
import sys
import time

import boto3
from botocore.exceptions import BotoCoreError, ClientError

# Said once, however often it is tried.
SAID = set()
# Those that the tests work in.
REGIONS = ["eu-central-1", "eu-west-1", "us-east-1"]
PATIENCE = int(os.environ.get("SHOWCORE_TEST_SWEEP_SECONDS", "1800"))


def main(prefix, account):
    if len(prefix) < 6 or boto3.client("sts", region_name=REGIONS[0]).get_caller_identity()["Account"] != account:
        sys.exit(f"nothing is removed: the credentials are not those of {account}, or {prefix!r} is too short")
    deadline = time.monotonic() + PATIENCE
    while True:
        left = [thing for region in REGIONS for thing in swept(region, re.compile(re.escape(prefix) + "[0-9]{3}[a-z]-"))]
        if not left:
            print("nothing is left")
            return
        if time.monotonic() > deadline:
            sys.exit("LEFT, remove it by hand: " + ", ".join(left))
        time.sleep(2 if "127.0.0.1" in os.environ.get("AWS_ENDPOINT_URL", "") else 20)


def say(text, error=None):
    if (text, str(error)) not in SAID:
        SAID.add((text, str(error)))
        print(text if error is None else f"{text}: not yet: {error}", flush=True)


def swept(region, ours):
    """What is still there, after the removal of each was tried."""
    rds = boto3.client("rds", region_name=region)
    cache = boto3.client("elasticache", region_name=region)
    s3 = boto3.client("s3", region_name=region)
    left = []

    def each(client, listing, field, key, remove, done=lambda one: False):
        try:
            found = [one for page in client.get_paginator(listing).paginate() for one in page[field]]
        except (ClientError, BotoCoreError) as error:
            # An endpoint that does not serve this has made none.
            say(f"{region} {listing}", error)
            return
        for one in found:
            name = one[key]
            if not ours.match(name) or done(one):
                continue
            left.append(f"{region} {name}")
            say(f"removing {name} ({field}, {region})")
            try:
                remove(name, one)
            except ClientError as error:
                # Used by another, or busy: at the next look.
                say(name, error)

    def database(name, one):
        if one["DBInstanceStatus"] == "deleting":
            return
        if one.get("DeletionProtection"):
            rds.modify_db_instance(DBInstanceIdentifier=name, DeletionProtection=False, ApplyImmediately=True)
        rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True, DeleteAutomatedBackups=True)

    def group(name, one):
        if one["Status"] != "deleting":
            cache.delete_replication_group(ReplicationGroupId=name)

    each(rds, "describe_db_instances", "DBInstances", "DBInstanceIdentifier", database)
    each(rds, "describe_db_snapshots", "DBSnapshots", "DBSnapshotIdentifier",
         lambda name, one: rds.delete_db_snapshot(DBSnapshotIdentifier=name))
    each(rds, "describe_db_instance_automated_backups", "DBInstanceAutomatedBackups", "DBInstanceIdentifier",
         lambda name, one: rds.delete_db_instance_automated_backup(DbiResourceId=one["DbiResourceId"]),
         done=lambda one: one["Status"] == "active")
    each(rds, "describe_db_parameter_groups", "DBParameterGroups", "DBParameterGroupName",
         lambda name, one: rds.delete_db_parameter_group(DBParameterGroupName=name))
    each(rds, "describe_db_subnet_groups", "DBSubnetGroups", "DBSubnetGroupName",
         lambda name, one: rds.delete_db_subnet_group(DBSubnetGroupName=name))
    each(cache, "describe_replication_groups", "ReplicationGroups", "ReplicationGroupId", group)
    each(cache, "describe_snapshots", "Snapshots", "SnapshotName",
         lambda name, one: cache.delete_snapshot(SnapshotName=name))
    each(cache, "describe_cache_parameter_groups", "CacheParameterGroups", "CacheParameterGroupName",
         lambda name, one: cache.delete_cache_parameter_group(CacheParameterGroupName=name))

    for bucket in s3.list_buckets()["Buckets"]:
        name = bucket["Name"]
        if not ours.match(name):
            continue
        where = s3.head_bucket(Bucket=name)["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region", region)
        if where != region:
            continue
        left.append(f"{region} {name}")
        say(f"removing {name} (Buckets, {region})")
        try:
            s3.delete_bucket_policy(Bucket=name)
            for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
                for one in page.get("Versions", []) + page.get("DeleteMarkers", []):
                    s3.delete_object(
                        Bucket=name, Key=one["Key"], VersionId=one["VersionId"], BypassGovernanceRetention=True)
            s3.delete_bucket(Bucket=name)
        except ClientError as error:
            say(name, error)
    return left


if __name__ == "__main__":
    main(*sys.argv[1:])
