"""How are requests made to Google Cloud Storage, and by whose authority?"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from backups.repositories.objects.clients import retries
from backups.repositories.objects.google.place import GooglePlace
from backups.repositories.objects.google.tokens import TokenSource
from backups.repositories.objects.trials import TrialConnection

if TYPE_CHECKING:
    from obstore.store import GCSStore


class GoogleConnection(TrialConnection):
    """The clients of a bucket. Uploads of killed processes are left to a rule of the bucket."""

    place: GooglePlace

    def __init__(
        self, place: GooglePlace, credentials: TokenSource, refuse_host: Callable[[str, int], None]
    ) -> None:
        super().__init__(place, refuse_host)
        self._credentials = credentials

    def _open(self, tries: int, seconds: int) -> GCSStore:
        from obstore.store import GCSStore

        # Now, so that a missing one is reported in its own words.
        self._credentials.token()
        with self._opening():
            return GCSStore(
                self.place.bucket,
                # What the environment says otherwise is meant for other programs.
                config={"base_url": self.place.url, "skip_signature": False},
                client_options=self._client_options(),  # type: ignore[arg-type]
                retry_config=retries(tries, seconds),  # type: ignore[arg-type]
                credential_provider=self._credentials.token,  # type: ignore[arg-type]
            )
