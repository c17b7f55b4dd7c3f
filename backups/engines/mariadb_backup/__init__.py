"""The engine for MariaDB: mariadb-backup, whose stream is parsed as it arrives."""

from __future__ import annotations

from backups.engines.mariadb_backup.command import TOOL, prepare_argv
from backups.engines.mariadb_backup.engine import MariadbBackup
from backups.engines.mariadb_backup.errors import check_prepare
from backups.engines.mariadb_backup.metadata import MariadbDetails
from backups.engines.mariadb_backup.options import MariadbOptions

__all__ = [
    "TOOL",
    "MariadbBackup",
    "MariadbDetails",
    "MariadbOptions",
    "check_prepare",
    "prepare_argv",
]
