"""What do the error codes of Azure Blob Storage mean, in words?"""

from __future__ import annotations

from backups.repositories.objects.troubles import (
    CHANGED,
    DENIED,
    FAULT,
    FULL,
    LOST_PARTS,
    NO_BUCKET,
    NO_CLASS,
    NO_OBJECT,
    SLOW,
    Trouble,
)

_SIGNATURE = Trouble(
    "the account key or SAS token does not fit the account, or has expired",
    "Check the credentials of the repository; a SAS token ends at the time in it.",
)
_RIGHT = Trouble(
    "the key, token or role lacks a right",
    "Allow it to read, write, delete and list blobs of the container: a SAS token with "
    "racwdl, a role of Storage Blob Data Contributor.",
)
_NETWORK = Trouble(
    "the storage account does not allow it from here",
    "Check its firewall, and that it allows account keys where one is used.",
)
_TIER = Trouble(
    "the object is in the archive tier, or being restored from it",
    "Change its tier to Hot or Cool first, which takes hours; a lifecycle rule has moved it.",
)
_LOCKED = Trouble(
    "a policy or a lease of the container forbids to change or delete it",
    "Wait until the policy ends, or remove it: Mooring does not use immutable containers yet.",
)
AZURE_TROUBLES = {
    "AuthenticationFailed": _SIGNATURE,
    "InvalidAuthenticationInfo": _SIGNATURE,
    "NoAuthenticationInformation": _SIGNATURE,
    "AuthorizationFailure": _NETWORK,
    "AuthorizationSourceIPMismatch": _NETWORK,
    "AuthorizationProtocolMismatch": _NETWORK,
    "KeyBasedAuthenticationNotPermitted": _NETWORK,
    "PublicAccessNotPermitted": DENIED,
    "AuthorizationPermissionMismatch": _RIGHT,
    "AuthorizationResourceTypeMismatch": _RIGHT,
    "AuthorizationServiceMismatch": _RIGHT,
    "InsufficientAccountPermissions": _RIGHT,
    "UnauthorizedBlobOverwrite": _RIGHT,
    "AccountIsDisabled": Trouble(
        "the storage account is disabled", "Look into the subscription of the account."
    ),
    "ContainerNotFound": NO_BUCKET,
    "ContainerDisabled": NO_BUCKET,
    "ContainerBeingDeleted": NO_BUCKET,
    "BlobNotFound": NO_OBJECT,
    "ServerBusy": SLOW,
    "OperationTimedOut": FAULT,
    "AccountLimitExceeded": FULL,
    "BlobArchived": _TIER,
    "BlobBeingRehydrated": _TIER,
    "InvalidHeaderValue": Trouble(
        "the store does not know a setting, as the access tier",
        "Correct the storage class of the repository: Hot, Cool or Cold, or clear it.",
    ),
    "InvalidBlobTier": NO_CLASS,
    "AccessTierNotSupportedForBlobType": NO_CLASS,
    "BlobTierInadequateForContentLength": NO_CLASS,
    "InvalidBlockList": LOST_PARTS,
    "InvalidBlobOrBlock": LOST_PARTS,
    "Md5Mismatch": CHANGED,
    "BlobImmutableDueToPolicy": _LOCKED,
    "BlobImmutableDueToLegalHold": _LOCKED,
    "LeaseIdMissing": _LOCKED,
    "FeatureNotYetSupportedForHierarchicalNamespaceAccounts": Trouble(
        "the storage account has a hierarchical namespace",
        "Use an account without one: its folders are objects of their own.",
    ),
}
