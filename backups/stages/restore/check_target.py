"""May the restore write there? Refused with figures before a single byte is."""

from __future__ import annotations

import shutil
from pathlib import Path

from backups.catalog.facts import facts_of
from backups.engines import engine_named
from backups.exceptions import BadInput, Refused
from backups.models import Repository
from backups.programs.private_server import occupant
from backups.restores.target import claim_folder, release_folder
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.stages.restore.work import RestoreWork, open_copy
from backups.states import Operation
from backups.transitions.jobs import own
from backups.units import format_bytes

# Preparing writes redo and undo of its own, and rolls back into the files.
ROOM_FACTOR = 1.1
RESERVE_BYTES = 64 * 1024 * 1024


class CheckTarget(PlainStage[RestoreWork]):
    name = "check target"

    def run(self, run: Run, work: RestoreWork) -> str:
        work.reader = open_copy(work.copy)
        refuse_target(work.target)
        starts = run.job.operation == Operation.RESTORE_TEST
        server = "" if work.raw else check_server(run.job.engine, work, starts=starts)
        room = check_room(work.target, work.reader.manifest.contents.raw_bytes)
        own(run.job, run.token, leftovers=True)
        claim_folder(work.target, run.job.pk)
        return f"{room}; {server}" if server else room

    def clean_up(self, run: Run, work: RestoreWork) -> None:
        """Remove what was restored: half a data directory must never look like a whole one."""
        if release_folder(work.target, run.job.pk):
            run.log(self.name, f"removed the unfinished restore in {work.target}")
        run.forget_leftovers()


def room_needed(raw_bytes: int) -> int:
    """How much a restore of so many bytes takes on the target's disk."""
    return int(raw_bytes * ROOM_FACTOR) + RESERVE_BYTES


def check_room(target: Path, raw_bytes: int) -> str:
    """Say what is needed and what is free, or raise Refused where that is too little."""
    need = room_needed(raw_bytes)
    free = shutil.disk_usage(nearest_folder(target)).free
    if free < need:
        raise Refused(
            f"{target} needs {format_bytes(need)}, {format_bytes(free)} are free",
            hint="Free space there or restore to another disk; nothing was written.",
        )
    return f"{format_bytes(need)} needed, {format_bytes(free)} free"


def check_server(engine: str, work: RestoreWork, *, starts: bool) -> str:
    """Say which programs will be let at the files; Refused where none fits them."""
    facts = facts_of(work.copy.backup)
    return engine_named(engine).check_restore(facts, work.server_program, starts=starts)


def refuse_target(target: Path) -> None:
    """Raise Refused unless ``target`` is a place a restore may fill."""
    if not target.is_absolute():
        raise BadInput(f"target {target} is not an absolute path")
    if target.exists() and not target.is_dir():
        raise Refused(f"{target} is not a folder")
    if target.is_dir() and (pid := occupant(target)):
        raise Refused(
            f"{target} is the data directory of a running server, pid {pid}",
            hint="Stop that server and move its folder away, or restore elsewhere.",
        )
    if target.is_dir() and any(target.iterdir()):
        raise Refused(
            f"{target} is not empty",
            hint="Give a new or empty folder; nothing in it was touched.",
        )
    for repository in Repository.objects.all():
        if target.resolve().is_relative_to(Path(repository.path).resolve()):
            raise Refused(f"{target} is inside repository {repository}")


def nearest_folder(path: Path) -> Path:
    """Return the closest folder above ``path`` that exists: the disk it will be on."""
    while not path.is_dir():
        path = path.parent
    return path
