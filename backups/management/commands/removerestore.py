"""Removes the folder of a restore whose replay did not come to its end, or lists such folders."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from rich.console import RenderableType

from backups.executor.leftovers import remove_leftovers
from backups.jobs.continuing import give_up, kept_folder
from backups.management.output import DONE, Answer, MooringCommand, table
from backups.models import KeptRestore
from backups.opened_tables.work_folder import ForeignFolder, list_foreign
from backups.restores.kept import where_it_is
from backups.restores.target import has_mark
from backups.units import format_bytes


class Command(MooringCommand):
    help = (
        "Remove the folder that a restore has kept whose replay did not come to its end; without "
        "a job, list these folders."
    )

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("job", type=int, nargs="?")

    def answer(self, options: dict[str, Any]) -> Answer:
        if options["job"] is None:
            return _list()
        kept = kept_folder(options["job"])
        give_up(kept)
        if kept.host == socket.gethostname():
            remove_leftovers(of_host=kept.host)
            done = (
                f"{kept.target} could not be removed yet: a tick tries again"
                if has_mark(Path(kept.target), kept.mark)
                else f"{kept.target} is removed"
            )
        else:
            done = f"{kept.target} on {kept.host} will be removed by its next tick"
        return Answer({"job": kept.job_id, "folder": kept.target}, [done], DONE)


def _list() -> Answer:
    rows = list(KeptRestore.objects.select_related("job__instance"))
    fields = [_fields(kept) for kept in rows]
    shown = table(
        ("job", "instance", "host", "folder", "size", "state"),
        [
            (
                str(kept.job_id),
                kept.job.instance.name,
                kept.host,
                kept.target,
                format_bytes(kept.bytes) if kept.bytes is not None else "",
                "replay runs" if kept.job.active else where_it_is(kept),
            )
            for kept in rows
        ],
        right="size",
    )
    foreign = list_foreign()
    others = [
        {"host": each.host, "folder": str(each.folder), "made_at": each.made_at} for each in foreign
    ]
    parts = [shown if rows else "no folder is kept", *_foreign_shown(foreign)]
    return Answer({"folders": fields, "opened_by_other_hosts": others}, parts, DONE)


def _fields(kept: KeptRestore) -> dict[str, object]:
    return {
        "job": kept.job_id,
        "instance": kept.job.instance.name,
        "host": kept.host,
        "folder": kept.target,
        "bytes": kept.bytes,
        "running": kept.job.active,
        "state": where_it_is(kept),
    }


def _foreign_shown(foreign: Sequence[ForeignFolder]) -> Sequence[RenderableType]:
    """Show what other hosts left of opened tables in a scratch folder that both use."""
    if not foreign:
        return ()
    rows = [(each.host, str(each.folder), f"{each.made_at:%Y-%m-%d %H:%M} UTC") for each in foreign]
    return (
        "",
        table(("host", "folder of opened tables", "made"), rows),
        "A host removes its own folders. Remove those of a host that is gone.",
    )
