"""May the export write the file? Refused, with figures, before anything is written."""

from __future__ import annotations

import shutil
from pathlib import Path

from backups.archive.export import exported_bytes
from backups.catalog.copies import open_chain
from backups.exceptions import Refused
from backups.programs.ancestors import check_ancestors
from backups.restores.target import RESERVE_BYTES, refuse_inside_repository
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.stages.export.work import ExportWork
from backups.units import format_bytes


class CheckFile(PlainStage[ExportWork]):
    name = "check file"
    may_refuse = True

    def run(self, run: Run, work: ExportWork) -> str:
        refuse_file(work.target)
        work.chain = open_chain(work.copy)
        need = exported_bytes(work.chain)
        free = shutil.disk_usage(work.target.parent).free
        if free < need + RESERVE_BYTES:
            raise Refused(
                f"{work.target} needs {format_bytes(need)}, {format_bytes(free)} free",
                hint="Free space there or name a file on another disk; nothing was written.",
            )
        return f"{format_bytes(need)} needed, {format_bytes(free)} free"


def refuse_file(target: Path) -> None:
    """Raise Refused unless a file may be made there; nothing is made or replaced."""
    if target.exists() or target.is_symlink():
        raise Refused(f"{target} exists", hint="Name a new file; nothing was changed.")
    if not target.parent.is_dir():
        raise Refused(f"{target.parent} is not a folder", hint="Create it, or name another one.")
    check_ancestors(target)
    refuse_inside_repository(target)
