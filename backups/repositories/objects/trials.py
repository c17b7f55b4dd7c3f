"""Can an object be written now, where an upload cannot be begun and aborted without a trace?"""

from __future__ import annotations

from backups.repositories.layout import TRIAL_NAME
from backups.repositories.objects.clients import Connection


def write_trial(connection: Connection) -> None:
    """Write an empty object as a backup's are, and delete it. A killed one is overwritten."""
    from obstore import delete, put

    data, key = connection.data(), connection.place.key(TRIAL_NAME)
    put(data, key, b"", attributes=connection.attributes(), use_multipart=False)
    try:
        delete(data, key)
    except FileNotFoundError:
        # Another process has tried at the same time.
        return
