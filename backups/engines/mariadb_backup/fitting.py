"""Do this host's mariadb-backup and MariaDB fit a backup?

Checked before a byte is restored: files of another series, or without their keys, cannot be
prepared or started, which would look like a faulty backup.
"""

from __future__ import annotations

from collections.abc import Callable

from backups.checks import Verdict
from backups.engines.base import NO_KEYS, CopyFacts, HostKeys
from backups.engines.mariadb_backup.command import TOOL
from backups.engines.mariadb_backup.host_plugins import plugin_options
from backups.engines.mariadb_backup.metadata import MariadbDetails
from backups.engines.mariadb_backup.shaping import Shaping, refuse_key_server
from backups.exceptions import Refused
from backups.programs.compatibility import (
    Compatibility,
    Version,
    can_prepare_with,
    can_start_on,
    parse_version,
)
from backups.programs.installed import installed
from backups.runners.local import LocalRunner

SERVER = "mariadbd"


# Of a restore; a restore test cannot do without a server.
NO_SERVER = "or restore with --no-start, or test it elsewhere"


def check_restore(backup: CopyFacts, *, starts: bool, keys: HostKeys = NO_KEYS) -> str:
    """Return what will prepare the copy and, if it ``starts``, serve it, or raise Refused."""
    parts = [_check(TOOL, backup.tool_version, can_prepare_with, "or restore with --raw")]
    if starts:
        parts.append(_check(SERVER, backup.server_version, can_start_on, NO_SERVER))
    if isinstance(backup.details, MariadbDetails):
        named = (backup.details.plugins or "").split()
        refuse_key_server(named)
        plugin_options(Shaping(plugins=tuple(named)), keys)
    return "; ".join(parts)


def _check(
    program: str, origin: str, rule: Callable[[Version, Version], Compatibility], way_out: str
) -> str:
    version = installed(LocalRunner(), program)
    if version.version is None:
        hint = version.hint or f"Install {program} on this host."
        raise Refused(version.problem, hint=f"{hint.rstrip('.')}, {way_out}.")
    if (made_by := parse_version(origin)) is None:
        return f"{program} {version.version}; the backup has no version to compare with"
    ruling = rule(version.version, made_by)
    if ruling.verdict is Verdict.FAILED:
        raise Refused(ruling.reason, hint=f"{ruling.hint.rstrip('.')}, {way_out}.")
    return ruling.reason
