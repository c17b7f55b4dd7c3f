"""What can be wrong with an object store, in words, whatever it is named there?"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Trouble:
    """The cause, what to do, and whether the same may succeed in a moment."""

    cause: str
    hint: str
    transient: bool = False


CHECK_KEY = "Check the credentials of the repository: the key may have been replaced or deleted."
EXPIRED = Trouble(
    "the credentials have expired",
    "Renew them where they come from: temporary credentials end after some hours.",
)
SLOW = Trouble(
    "the store asks to slow down",
    "Lower MOORING_COPY_THREADS or the number of concurrent jobs, or ask for a higher limit.",
    transient=True,
)
FAULT = Trouble(
    "the store reports a fault of its own", "Try again later, or ask its operator.", transient=True
)
REGION = Trouble(
    "the bucket is in another region or at another endpoint",
    "Correct the region or the endpoint of the repository.",
)
DENIED = Trouble(
    "access is denied",
    "Allow the key to list the bucket, and to read, write and delete below the prefix; a wrong "
    "key is refused in the same words by some stores.",
)
FULL = Trouble(
    "the quota of the bucket or account is used up",
    "Purge backups, or have the quota raised; nothing incomplete was kept.",
)
SEALED = Trouble(
    "the store cannot encrypt it as requested",
    "Correct the encryption and the KMS key of the repository, and what the key may use.",
)
NO_CLASS = Trouble(
    "the store does not have this storage class",
    "Correct the storage class of the repository, or clear it.",
)
NO_BUCKET = Trouble("there is no such bucket", "Create the bucket, or correct its name.")
NO_OBJECT = Trouble("No such object", "Find out who deleted it.")
LOST_PARTS = Trouble(
    "the store has lost the parts of the upload",
    "Look for a lifecycle rule of the bucket that ends uploads too early.",
)
CHANGED = Trouble(
    "the bytes changed on the way", "Check the network and its proxies.", transient=True
)
