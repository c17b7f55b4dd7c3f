"""Which options and clean-up does a server need to start on restored files?

A server with another page size, or with other system tablespaces, refuses the files. A table with
a DATA DIRECTORY is copied into its schema's folder like all others, together with the link to its
original place: a server that finds both opens neither, or worse, the original.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backups.engines.base import NO_KEYS, HostKeys
from backups.engines.foreign_files import SUFFIXES
from backups.engines.mariadb_backup.command import build_prepare_settings
from backups.engines.mariadb_backup.host_plugins import LOAD, plugin_options
from backups.engines.mariadb_backup.shaping import PATTERNS, SETTINGS_FILE, read_shaping

# The options that a server needs; the other options of the copy are for the tool only.
NEEDED = ("innodb_page_size", "innodb_data_file_path", "innodb_undo_tablespaces")
PREPARE_FILE = "mooring-prepare.cnf"


def server_options(
    folder: Path, keys: HostKeys = NO_KEYS, engines: Sequence[str] = ()
) -> dict[str, str]:
    """Return the options for a server on ``folder``, named as on its command line.

    ``engines`` are the libraries of storage engines that it is to load as well.
    """
    shaping = read_shaping(folder)
    options = {name: value for name, value in shaping.settings.items() if name in NEEDED}
    options |= plugin_options(shaping, keys, engines)
    if LOAD in options:
        # Added to what the server's other option files load, where it has any.
        options[f"{LOAD}_add"] = options.pop(LOAD)
    return {name.replace("_", "-"): value for name, value in options.items()}


def prepare_settings(folder: Path, keys: HostKeys = NO_KEYS) -> str:
    """Return the option file for a prepare of the copy in ``folder``."""
    shaping = read_shaping(folder)
    return build_prepare_settings({**shaping.settings, **plugin_options(shaping, keys)})


def commands_before_prepare(folder: str) -> tuple[str, str]:
    """Return what does the same where somebody prepares a raw copy by hand.

    ``folder`` is quoted for a shell.
    """
    names = " -o ".join(f"-name '*{suffix}'" for suffix in SUFFIXES)
    keep = "|".join(PATTERNS)
    return (
        f"find {folder} \\( {names} \\) ! -name {SETTINGS_FILE} -delete",
        f"grep -xE '\\[mysqld]|({keep})=[A-Za-z0-9_.:;$-]+' {folder}/{SETTINGS_FILE} "
        f"> {PREPARE_FILE}",
    )
