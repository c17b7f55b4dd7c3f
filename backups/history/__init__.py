"""The tools whose own history can be read."""

from __future__ import annotations

from collections.abc import Mapping

from backups.history.base import HistoryReader
from backups.history.mysqlbackup import MysqlbackupHistory
from backups.history.xtrabackup import MariadbBackupHistory, XtraBackupHistory

# By the names of HistoryTool.
READERS: Mapping[str, HistoryReader] = {
    "mariadb_backup": MariadbBackupHistory(),
    "xtrabackup": XtraBackupHistory(),
    "mysqlbackup": MysqlbackupHistory(),
}
