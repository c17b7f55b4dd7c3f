"""How does a connection work whose store shows no unfinished uploads and begins none as a trial?"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from backups.repositories.layout import TRIAL_NAME
from backups.repositories.objects.clients import Connection
from backups.repositories.objects.dates import server_date
from backups.repositories.usage import Asked


class TrialConnection(Connection):
    """Writes an empty object to find out whether it may; the store removes unfinished uploads."""

    def drop_uploads(self, owner: str, *, whole: bool = False) -> int:
        # The library has no call for a list of them.
        return 0

    def try_upload(self) -> None:
        from obstore import delete, put
        from obstore.exceptions import AlreadyExistsError

        data, key = self.data(), self.place.key(TRIAL_NAME)
        if self.place.write_only:
            # It stays; to overwrite it is to delete what was there.
            self.note(Asked.PUT)
            with suppress(AlreadyExistsError):
                put(data, key, b"", attributes=self.attributes(), mode="create")
            return
        self.note(Asked.PUT)
        self.note(Asked.DELETE)
        # One that a killed process has left is overwritten.
        put(data, key, b"", attributes=self.attributes(), use_multipart=False)
        try:
            delete(data, key)
        except FileNotFoundError:
            # Another process has tried at the same time.
            return

    def date(self) -> datetime:
        with self._lock:
            self._refuse_address()
        return server_date(self.place)
