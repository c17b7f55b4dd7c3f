"""Where in Azure Blob Storage is a repository, and how are its requests addressed? Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from backups.exceptions import BadInput
from backups.repositories.objects.place import StorePlace, normal_prefix, refuse_odd_settings

AZURE_SCHEME = "az://"
DEFAULT_DOMAIN = "blob.core.windows.net"
# Objects of this tier cannot be read back at once, as every backup is.
ARCHIVE_TIER = "archive"
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_CONTAINER = re.compile(r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")


@dataclass(frozen=True, slots=True)
class AzurePlace(StorePlace):
    """A prefix of a container; ``bucket`` is the container, ``virtual_host`` is of the account."""

    scheme: ClassVar[str] = AZURE_SCHEME
    kind: ClassVar[str] = "azure"

    account: str = ""

    @property
    def address(self) -> str:
        prefix = f"/{self.prefix}" if self.prefix else ""
        return f"{AZURE_SCHEME}{self.account}/{self.bucket}{prefix}"

    @property
    def url(self) -> str:
        """The endpoint of the account; an emulator has the account in the path."""
        if not self.endpoint:
            return f"https://{self.account}.{DEFAULT_DOMAIN}"
        scheme, _, host = self.endpoint.partition("://")
        if host.startswith(f"{self.account}."):
            return self.endpoint
        if self.virtual_host:
            return f"{scheme}://{self.account}.{host}"
        return f"{self.endpoint}/{self.account}"


def azure_place(address: str) -> AzurePlace:
    """Return the place ``az://account/container/prefix``, or raise BadInput."""
    account, _, rest = address.removeprefix(AZURE_SCHEME).partition("/")
    container, _, prefix = rest.partition("/")
    if not _ACCOUNT.fullmatch(account):
        raise BadInput(
            f"{account or 'nothing'} is no name of a storage account",
            hint="Enter az://ACCOUNT/CONTAINER/PREFIX; an account has small letters and digits.",
        )
    if not _CONTAINER.fullmatch(container):
        raise BadInput(
            f"{container or 'nothing'} is no name of a container",
            hint="Enter az://ACCOUNT/CONTAINER/PREFIX; a container has small letters, digits and "
            "single -.",
        )
    return AzurePlace(container, normal_prefix(prefix), account=account)


def refuse_odd_azure(place: AzurePlace) -> None:
    """Raise BadInput for settings that Azure does not accept, or that no backup survives."""
    refuse_odd_settings(place)
    if place.storage_class.lower() == ARCHIVE_TIER:
        raise BadInput(
            "objects of the access tier Archive cannot be read back at once",
            hint="Use Hot, Cool or Cold, or have a lifecycle rule move old backups.",
        )
    if place.plain and place.virtual_host:
        raise BadInput(
            "the account is in the host name, and the endpoint is not https",
            hint="Without TLS only a store on this host is used, with the account in the path.",
        )
