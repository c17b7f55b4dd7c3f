"""What do the error codes of Google Cloud Storage mean that S3 does not have, in words?"""

from __future__ import annotations

from backups.repositories.objects.troubles import FAULT, SLOW, Trouble

_ACCOUNT = Trouble(
    "Google does not know the service account, or its key was deleted",
    "Check the credentials of the repository, and the clock of this host.",
)
_HELD = Trouble(
    "a retention policy or a hold of the bucket forbids to change or delete it",
    "Wait until it ends, or remove it: Mooring does not use locked buckets of Google yet.",
)
_BILLING = Trouble(
    "the project of the bucket is closed, or its billing account is", "Look into the project."
)
GOOGLE_TROUBLES = {
    "AuthenticationRequired": _ACCOUNT,
    "InvalidSecurity": _ACCOUNT,
    "InvalidArgument": Trouble(
        "the store does not know a setting, as the storage class",
        "Correct the storage class of the repository, or clear it.",
    ),
    "RetentionPolicyNotMet": _HELD,
    "ObjectUnderActiveHold": _HELD,
    "UserProjectAccountProblem": _BILLING,
    "UserProjectInvalid": _BILLING,
    "rateLimitExceeded": SLOW,
    "BackendError": FAULT,
}
