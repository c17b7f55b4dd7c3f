"""Which keys does this installation have for its backups?"""

from __future__ import annotations

from django.conf import settings

from backups.archive.keys import Keyring, load_keyring
from backups.exceptions import KeyUnavailable


def load_keys() -> Keyring:
    """Read the keys from the environment or the key file, or raise KeyUnavailable.

    Read each time, so that a rotated key is used without a restart.
    """
    return load_keyring(text=settings.BACKUP_KEY_TEXT, path=settings.BACKUP_KEY_FILE)


def known_keys() -> Keyring | None:
    """Return the keys; None where there are none, or none that can be read."""
    try:
        return load_keys()
    except KeyUnavailable:
        return None
