"""The stages that prove a backup: its bytes (verify), or a server on them (restore test)."""

from __future__ import annotations

from backups.stages.proof.check_tables import CheckTables
from backups.stages.proof.read_packs import ReadPacks
from backups.stages.proof.record import RecordRestoreTest
from backups.stages.proof.restored import ProvedExtract, ProvedPrepare
from backups.stages.proof.start_server import StartServer
from backups.stages.restore.check_target import CheckTarget

VERIFY_STAGES = (ReadPacks(),)
RESTORE_TEST_STAGES = (
    CheckTarget(),
    ProvedExtract(),
    ProvedPrepare(),
    StartServer(),
    CheckTables(),
    RecordRestoreTest(),
)

__all__ = ["RESTORE_TEST_STAGES", "VERIFY_STAGES"]
