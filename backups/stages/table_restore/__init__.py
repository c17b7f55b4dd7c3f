"""The stages of a restore of tables: opened in a private server, and taken to where they go."""

from __future__ import annotations

from backups.stages.table_restore.check_tables import CheckTransferred
from backups.stages.table_restore.check_target import CheckTableTarget
from backups.stages.table_restore.extract import ExtractTables
from backups.stages.table_restore.hand_over import HandOverTables
from backups.stages.table_restore.open_tables import OpenTables
from backups.stages.table_restore.transfer import TransferTables

STAGES = (
    CheckTableTarget(),
    ExtractTables(),
    OpenTables(),
    TransferTables(),
    CheckTransferred(),
    HandOverTables(),
)
