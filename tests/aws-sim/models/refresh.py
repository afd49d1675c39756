#!/usr/bin/env python3
"""Cuts botocore's service models down to what aws-sim serves.

Run it with a Python that has botocore (`pip install botocore`), from
anywhere; it rewrites the JSON files beside itself and names the version it
read in VERSION. Documentation is left out, and everything that no served
operation needs. A served operation is one listed below: add it here first,
then write its behaviour.
"""

import json
import pathlib

import botocore
from botocore.loaders import Loader

SERVED = {
    "rds": """
        CreateDBInstance DescribeDBInstances ModifyDBInstance DeleteDBInstance
        RebootDBInstance StartDBInstance StopDBInstance
        AddTagsToResource RemoveTagsFromResource ListTagsForResource
        CreateDBSnapshot DescribeDBSnapshots DeleteDBSnapshot
        CreateDBParameterGroup ModifyDBParameterGroup ResetDBParameterGroup
        DescribeDBParameterGroups DescribeDBParameters DeleteDBParameterGroup
        CreateDBSubnetGroup DescribeDBSubnetGroups DeleteDBSubnetGroup
        DescribeDBInstanceAutomatedBackups DeleteDBInstanceAutomatedBackup
    """,
    "elasticache": """
        CreateReplicationGroup DescribeReplicationGroups ModifyReplicationGroup
        DeleteReplicationGroup IncreaseReplicaCount DecreaseReplicaCount
        CreateCacheCluster DescribeCacheClusters DeleteCacheCluster
        AddTagsToResource RemoveTagsFromResource ListTagsForResource
        CreateSnapshot DescribeSnapshots DeleteSnapshot
        CreateCacheSubnetGroup DescribeCacheSubnetGroups DeleteCacheSubnetGroup
        CreateCacheParameterGroup ModifyCacheParameterGroup ResetCacheParameterGroup
        DescribeCacheParameterGroups DescribeCacheParameters DeleteCacheParameterGroup
    """,
    "kms": """
        CreateKey DescribeKey ListKeys EnableKey DisableKey
        ScheduleKeyDeletion CancelKeyDeletion
        EnableKeyRotation DisableKeyRotation GetKeyRotationStatus
        CreateAlias UpdateAlias DeleteAlias ListAliases
        TagResource UntagResource ListResourceTags
    """,
    "sts": "GetCallerIdentity",
}
SHAPE_KEYS = (
    "type", "required", "member", "key", "value", "flattened", "enum", "min", "max",
    "pattern", "locationName", "error", "exception", "fault", "timestampFormat", "xmlOrder",
)
MEMBER_KEYS = ("shape", "locationName", "flattened", "timestampFormat")
METADATA_KEYS = (
    "apiVersion", "endpointPrefix", "jsonVersion", "protocol", "serviceId",
    "targetPrefix", "xmlNamespace",
)


def pick(source, keys):
    return {key: source[key] for key in keys if key in source}


def reference(member):
    return pick(member, MEMBER_KEYS)


def cut(model, served):
    operations, shapes, wanted = {}, {}, []
    for name in sorted(served):
        source = model["operations"][name]
        operations[name] = {
            "name": name,
            **({"input": reference(source["input"])} if "input" in source else {}),
            **(
                {"output": pick(source["output"], ("shape", "resultWrapper"))}
                if "output" in source
                else {}
            ),
            "errors": sorted(error["shape"] for error in source.get("errors", [])),
        }
        wanted += [operations[name][side]["shape"] for side in ("input", "output") if side in operations[name]]
        wanted += operations[name]["errors"]
    while wanted:
        name = wanted.pop()
        if name in shapes:
            continue
        source = model["shapes"][name]
        shape = shapes[name] = pick(source, SHAPE_KEYS)
        if "members" in source:
            shape["members"] = {member: reference(source["members"][member]) for member in source["members"]}
            wanted += [member["shape"] for member in shape["members"].values()]
        for part in ("member", "key", "value"):
            if part in shape:
                shape[part] = reference(shape[part])
                wanted.append(shape[part]["shape"])
    return {
        "metadata": pick(model["metadata"], METADATA_KEYS),
        "operations": operations,
        "shapes": dict(sorted(shapes.items())),
    }


def main():
    here = pathlib.Path(__file__).resolve().parent
    loader = Loader()
    for service, names in SERVED.items():
        model = loader.load_service_model(service, "service-2")
        text = json.dumps(cut(model, names.split()), indent=1)
        (here / f"{service}.json").write_text(text + "\n")
    (here / "VERSION").write_text(f"botocore {botocore.__version__}\n")


if __name__ == "__main__":
    main()
