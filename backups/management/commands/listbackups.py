"""List backups, the newest first, with their proofs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.core.management.base import CommandParser
from django.utils.timezone import localtime, now

from backups.catalog.evidence import BackupProof, load_proofs
from backups.catalog.restorable import SOUND, Condition, load_conditions, proof_in_words
from backups.management.output import Answer, MooringCommand, table
from backups.management.retention_words import (
    judge_backups,
    retention_fields,
    retention_words,
)
from backups.management.rows import named_instance
from backups.models import Backup
from backups.models.catalog import Origin
from backups.retention.verdicts import JudgedCopy
from backups.units import format_bytes, format_duration


class Command(MooringCommand):
    help = "List backups, the newest first, with their proofs."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("instance", nargs="?")
        parser.add_argument("--all", action="store_true", help="Include purged backups.")

    def answer(self, options: dict[str, Any]) -> Answer:
        backups = Backup.objects.select_related("instance").prefetch_related("copies__repository")
        if options["instance"]:
            backups = backups.filter(instance=named_instance(options["instance"]))
        proofs = load_proofs(backups)
        shown = [
            backup
            for backup in backups
            if options["all"] or proofs[backup.pk].stored_in or backup.origin == Origin.OBSERVED
        ]
        if not shown:
            return Answer({"backups": []}, ["no backups yet: take one with takebackup"])
        judged = judge_backups(shown, now())
        conditions = load_conditions(listed.pk for listed in shown)
        rows = [
            _Shown(
                listed,
                proofs[listed.pk],
                conditions.get(listed.pk, SOUND),
                judged.get(listed.pk, []),
            )
            for listed in shown
        ]
        return Answer(
            {"backups": [_fields(row) for row in rows]},
            [
                table(
                    ("label", "kind", "ended", "raw", "stored", "took", "in", "proof", "retention"),
                    [_row(row) for row in rows],
                    right="raw,stored,took",
                )
            ],
        )


class _Shown(NamedTuple):
    """A backup, and what is known of it."""

    backup: Backup
    proof: BackupProof
    condition: Condition
    judged: Sequence[JudgedCopy]


def _fields(shown: _Shown) -> dict[str, object]:
    backup, proof, condition = shown.backup, shown.proof, shown.condition
    return {
        "label": backup.label,
        "instance": backup.instance.name,
        "kind": backup.kind,
        "origin": backup.origin,
        "started_at": backup.started_at,
        "ended_at": backup.ended_at,
        "raw_bytes": backup.raw_bytes,
        "stored_bytes": backup.stored_bytes,
        "repositories": proof.stored_in,
        "verified_at": proof.verified_at,
        "restore_tested_at": proof.restore_tested_at,
        "drilled_at": proof.drill.created_at if proof.drill is not None else None,
        "proof": proof_in_words(proof, condition),
        "not_restorable": str(condition.obstacle) if condition.obstacle else "",
        "retention": [retention_fields(judgement) for judgement in shown.judged],
    }


def _row(shown: _Shown) -> tuple[str, ...]:
    backup, proof = shown.backup, shown.proof
    observed = backup.origin == Origin.OBSERVED
    return (
        backup.label,
        backup.kind,
        f"{localtime(backup.ended_at):%Y-%m-%d %H:%M:%S}",
        format_bytes(backup.raw_bytes),
        format_bytes(backup.stored_bytes),
        format_duration(backup.run_time),
        ", ".join(proof.stored_in) or ("elsewhere" if observed else "purged"),
        "observed: cannot be proven" if observed else proof_in_words(proof, shown.condition),
        retention_words(shown.judged, brief=True),
    )
