"""Request the purge of every backup that nothing keeps, or show what would go and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandParser
from django.utils.timezone import now

from backups.exceptions import BadInput
from backups.management.output import Answer, MooringCommand, table
from backups.management.retention_words import retention_fields, verdict_word
from backups.management.rows import named_instance
from backups.retention.expiry import expire_backups
from backups.retention.verdicts import JudgedCopy, judge_copies
from backups.units import format_bytes


class Command(MooringCommand):
    help = (
        "Request the purge of every backup that nothing keeps, as the hourly tick does: where its "
        "repository has a delay it is marked at first. With --dry-run show what would go, and why "
        "everything else is kept."
    )

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Delete nothing; show verdicts.")
        parser.add_argument("--instance", help="With --dry-run: show only this instance.")

    def answer(self, options: dict[str, Any]) -> Answer:
        at, instance = now(), options["instance"]
        if options["dry_run"]:
            only = [named_instance(instance).pk] if instance else None
            return _shown(judge_copies(at, only))
        if instance:
            raise BadInput("--instance is for --dry-run only: purges are decided for all")
        purges = expire_backups(at)
        return Answer({"purges": purges}, [f"{purges} purges were requested"])


def _shown(judged: Sequence[JudgedCopy]) -> Answer:
    ordered = sorted(judged, key=lambda judgement: judgement.copy.ended_at, reverse=True)
    ordered.sort(key=lambda judgement: judgement.copy.instance)
    going = [judgement for judgement in ordered if judgement.verdict.may_go and not judgement.mark]
    marked = sum(judgement.mark is not None for judgement in ordered)
    freed = sum(judgement.copy.stored_bytes for judgement in going)
    lines = [
        f"{len(going)} of {len(ordered)} copies would be purged: {format_bytes(freed)}",
        *([f"{marked} are marked for deletion already: see listdeletions"] if marked else []),
        *(["what others are based on follows once those are purged"] if _in_turn(going) else []),
    ]
    return Answer(
        {
            "copies": [_fields(judgement) for judgement in ordered],
            "would_purge": len(going),
            "would_free_bytes": freed,
        },
        [
            table(
                ("label", "repository", "verdict", "reason", "stored"),
                [_row(judgement) for judgement in ordered],
                right="stored",
            ),
            *lines,
        ],
    )


def _in_turn(going: Sequence[JudgedCopy]) -> bool:
    return any(judgement.has_dependents for judgement in going)


def _fields(judged: JudgedCopy) -> dict[str, object]:
    return {
        "label": judged.copy.label,
        "instance": judged.copy.instance,
        "stored_bytes": judged.copy.stored_bytes,
        "ended_at": judged.copy.ended_at,
        **retention_fields(judged),
    }


def _row(judged: JudgedCopy) -> tuple[str, ...]:
    copy, verdict = judged.copy, judged.verdict
    size = format_bytes(copy.stored_bytes)
    return (copy.label, copy.repository, verdict_word(judged), verdict.reason, size)
