"""What whoever has stolen a key of an object store tries, against every object of a bucket."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

# What the workers' key needs in a bucket with object lock, where it deletes nothing.
ON_BUCKET = [
    "s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads",
    "s3:GetBucketVersioning", "s3:GetBucketObjectLockConfiguration",
]  # fmt: skip
ON_OBJECTS = [
    "s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts", "s3:GetObjectRetention", "s3:PutObjectRetention",
]  # fmt: skip
# Any: clients of botocore have no types.
Attack = Callable[[Any, str], None]


def allow(client: Any, bucket: str, user: str, *more: str) -> None:
    """Give a user what a worker needs, and ``more`` on objects."""
    who = {"AWS": [f"arn:aws:iam:::user/{user}"]}
    statements = [
        {"Effect": "Allow", "Principal": who, "Action": actions, "Resource": [resource]}
        for actions, resource in (
            (ON_BUCKET, f"arn:aws:s3:::{bucket}"),
            ([*ON_OBJECTS, *more], f"arn:aws:s3:::{bucket}/*"),
        )
    ]
    # Ceph gives the owner of an object every right on it that no policy denies.
    statements.append(
        {
            "Effect": "Deny",
            "Principal": who,
            "Action": ["s3:BypassGovernanceRetention"],
            "Resource": [f"arn:aws:s3:::{bucket}/*"],
        }
    )
    policy = {"Version": "2012-10-17", "Statement": statements}
    client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))


def versions(client: Any, bucket: str) -> list[dict[str, str]]:
    found = client.list_object_versions(Bucket=bucket).get("Versions", ())
    return [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]


def delete(client: Any, bucket: str) -> None:
    for item in client.list_objects_v2(Bucket=bucket).get("Contents", ()):
        client.delete_object(Bucket=bucket, Key=item["Key"])


def delete_versions(client: Any, bucket: str) -> None:
    for version in versions(client, bucket):
        client.delete_object(Bucket=bucket, **version)


def overwrite(client: Any, bucket: str) -> None:
    for key in {version["Key"] for version in versions(client, bucket)}:
        client.put_object(Bucket=bucket, Key=key, Body=b"ransom")


def shorten(client: Any, bucket: str, **how: bool) -> None:
    for version in versions(client, bucket):
        until = datetime.now(UTC) + timedelta(seconds=30)
        retention = {"Mode": "GOVERNANCE", "RetainUntilDate": until}
        client.put_object_retention(Bucket=bucket, **version, Retention=retention, **how)


def bypass(client: Any, bucket: str) -> None:
    for version in versions(client, bucket):
        client.delete_object(Bucket=bucket, **version, BypassGovernanceRetention=True)


def suspend_versions(client: Any, bucket: str) -> None:
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})


def set_lifecycle(client: Any, bucket: str) -> None:
    rule = {
        "ID": "all",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "Expiration": {"Days": 1},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
    }
    client.put_bucket_lifecycle_configuration(
        Bucket=bucket, LifecycleConfiguration={"Rules": [rule]}
    )


ATTACKS: dict[str, Attack] = {
    "overwrite": overwrite,
    "delete": delete,
    "delete versions": delete_versions,
    "shorten": shorten,
    "shorten by bypass": lambda client, bucket: shorten(
        client, bucket, BypassGovernanceRetention=True
    ),
    "bypass": bypass,
    "suspend versions": suspend_versions,
    "lifecycle": set_lifecycle,
}


def attack(client: Any, bucket: str) -> dict[str, str]:
    """Try everything; return ``done`` or the store's code by the attack's name."""
    outcomes = {}
    for name, act in ATTACKS.items():
        try:
            act(client, bucket)
        except ClientError as exc:
            outcomes[name] = str(exc.response["Error"]["Code"])
        else:
            outcomes[name] = "done"
    return outcomes
