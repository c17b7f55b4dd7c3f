"""Lists which instances' binlogs are archived, how far, and what is missing."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.db.models import Count
from django.utils.timezone import now

from backups.binlog_archive.receiving.present_state import is_rpo_zero, present_state
from backups.management.output import Answer, MooringCommand, table
from backups.management.rows import named_instance
from backups.management.schedule_rows import clock
from backups.models import BinlogArchive
from backups.units import format_bytes, format_count


class Command(MooringCommand):
    help = "List the binlog archives: state, lag, warnings, gaps."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("instance", nargs="?", help="Only this one.")

    def answer(self, options: dict[str, Any]) -> Answer:
        archives = BinlogArchive.objects.select_related("instance").order_by("instance__name")
        if options["instance"]:
            archives = archives.filter(instance=named_instance(options["instance"]))
        rows = list(archives.annotate(gaps=Count("instance__binlog_gaps")))
        columns = ("instance", "state", "received", "lag", "last commit", "gaps", "RPO 0")
        shown: list[Any] = ["no binlogs are archived"]
        if rows:
            shown = [table(columns, [_row(each) for each in rows], right="lag,gaps")]
        for each in rows:
            notes = [each.reason, each.hint, *each.warnings.splitlines()]
            shown += [f"{each.instance.name}: {note}" for note in notes if note]
        return Answer({"archives": [_fields(each) for each in rows]}, shown)


def _row(archive: Any) -> tuple[str, ...]:
    """Return its cells. Any: a row with a count that the model has not."""
    received = f"{archive.received_file} {archive.received_position}"
    return (
        archive.instance.name,
        present_state(archive, now()).label if archive.enabled else "Disabled",
        received if archive.received_file else "nothing",
        format_bytes(archive.lag_bytes),
        clock(archive.last_commit_at) if archive.last_commit_at else "none",
        format_count(archive.gaps, "gap"),
        "yes" if is_rpo_zero(archive, now()) else "no",
    )


def _fields(archive: Any) -> dict[str, object]:
    names = (
        "enabled", "acknowledge", "state_since", "reason", "hint", "received_file",
        "received_position", "synced_at", "contact_at", "last_commit_at", "source_file",
        "source_position", "source_asked_at", "lag_bytes", "source_waits", "backlog_bytes",
        "store_fault", "gaps",
    )  # fmt: skip
    return {
        "instance": archive.instance.name,
        **{name: getattr(archive, name) for name in names},
        "state": present_state(archive, now()),
        "warnings": archive.warnings.splitlines(),
        "rpo_zero": is_rpo_zero(archive, now()),
    }
