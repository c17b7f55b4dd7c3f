"""Which store is at a place, and how is it connected to?

What differs between the clouds is their connection: signatures, unfinished uploads, the date.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from backups.repositories.objects.azure.connection import AzureConnection, AzureRole
from backups.repositories.objects.azure.place import AzurePlace
from backups.repositories.objects.clients import Connection
from backups.repositories.objects.connection import BucketConnection
from backups.repositories.objects.credentials import CredentialSource
from backups.repositories.objects.google.connection import GoogleConnection
from backups.repositories.objects.google.place import GooglePlace
from backups.repositories.objects.google.tokens import TokenSource
from backups.repositories.objects.place import BucketPlace, StorePlace
from backups.repositories.objects.secret_texts import SecretText

RefuseHost = Callable[[str, int], None]
Credentials = CredentialSource | SecretText | AzureRole | TokenSource

# Any: the place and its credentials, which are of the same store.
CONNECTIONS: dict[type[StorePlace], Callable[[Any, Any, RefuseHost], Connection]] = {
    BucketPlace: BucketConnection,
    AzurePlace: AzureConnection,
    GooglePlace: GoogleConnection,
}


def connect(place: StorePlace, credentials: Credentials, refuse_host: RefuseHost) -> Connection:
    """Return the connection to a place; nothing is sent yet."""
    return CONNECTIONS[type(place)](place, credentials, refuse_host)
