"""How are requests made to Azure Blob Storage, and by whose authority?"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backups.exceptions import RepositoryError
from backups.repositories.objects.azure.place import AzurePlace
from backups.repositories.objects.azure.secrets import credential_of
from backups.repositories.objects.clients import retries
from backups.repositories.objects.secret_texts import SecretText
from backups.repositories.objects.trials import TrialConnection

if TYPE_CHECKING:
    from obstore.store import AzureStore

# Objects encrypted by such a key cannot be read without it, and it is nowhere in Mooring.
CUSTOMER_KEY = "AZURE_ENCRYPTION_KEY"
# Where a pod of Kubernetes finds the token of its workload identity.
TOKEN_FILE = "AZURE_FEDERATED_TOKEN_FILE"  # noqa: S105 (a name)  # nosec B105


@dataclass(frozen=True, slots=True)
class AzureRole:
    """The managed identity of this host, or the workload identity of the pod."""

    # Of several identities of one host.
    client_id: str = ""

    def settings(self) -> dict[str, Any]:
        kind = "workload_identity" if os.environ.get(TOKEN_FILE) else "managed_identity"
        chosen = {"client_id": self.client_id} if self.client_id else {}
        return {"credential_type": kind, **chosen}


class AzureConnection(TrialConnection):
    """The clients of a container. Azure itself removes unfinished uploads after a week."""

    place: AzurePlace

    def __init__(
        self,
        place: AzurePlace,
        credentials: SecretText | AzureRole,
        refuse_host: Callable[[str, int], None],
    ) -> None:
        super().__init__(place, refuse_host)
        self._credentials = credentials

    def _open(self, tries: int, seconds: int) -> AzureStore:
        from obstore.store import AzureStore

        if os.environ.get(CUSTOMER_KEY):
            raise RepositoryError(
                f"the environment has {CUSTOMER_KEY}: objects would be encrypted in another way",
                hint="Remove it from the environment of the site and of every worker.",
            )
        config: dict[str, Any] = {
            "account_name": self.place.account,
            "container_name": self.place.bucket,
            "endpoint": self.place.url,
            # What the environment says otherwise is meant for other programs.
            "use_emulator": False,
            "use_fabric_endpoint": False,
            "use_azure_cli": False,
            "skip_signature": False,
        }
        provider: dict[str, Any] = {}
        if isinstance(self._credentials, AzureRole):
            config |= self._credentials.settings()
        else:
            # Now, so that a missing one is reported in its own words.
            self._credential()
            provider["credential_provider"] = self._credential
        with self._opening():
            return AzureStore(
                config=config,  # type: ignore[arg-type]  # built piece by piece
                client_options=self._client_options(),  # type: ignore[arg-type]
                retry_config=retries(tries, seconds),  # type: ignore[arg-type]
                **provider,
            )

    def _credential(self) -> dict[str, Any]:
        assert not isinstance(self._credentials, AzureRole)
        return credential_of(self._credentials.load())
