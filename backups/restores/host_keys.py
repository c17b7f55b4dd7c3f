"""Which key files and plugins did the admin of this host name for encrypted files?"""

from __future__ import annotations

from django.conf import settings

from backups.engines.base import HostKeys


def host_keys() -> HostKeys:
    """Return them as the settings have them."""
    return HostKeys(
        key_file=settings.MARIADB_KEY_FILE,
        key_file_password=settings.MARIADB_KEY_FILE_PASSWORD,
        plugin_folder=settings.MARIADB_PLUGIN_FOLDER,
    )
