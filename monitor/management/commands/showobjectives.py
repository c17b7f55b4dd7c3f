"""Show the recovery objectives that are set, or how instances stand against theirs."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils.timezone import now

from backups.exceptions import BadInput
from backups.management.output import Answer, MooringCommand, table
from backups.models import Instance, ObjectiveStanding, RecoveryObjective
from backups.objectives.judging import PredictedRecovery
from backups.objectives.rows import standing_of
from backups.units import format_duration


class Command(MooringCommand):
    help = "Show the recovery objectives that are set, or how an instance stands against its own."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("instance", nargs="?", help="Its name; without it: what is set.")

    def answer(self, options: dict[str, Any]) -> Answer:
        if options["instance"] is None:
            return _settings()
        instance = Instance.objects.filter(name=options["instance"]).first()
        if instance is None:
            raise BadInput(f"no instance is named {options['instance']}")
        return _standing(instance)


def _settings() -> Answer:
    rows = list(RecoveryObjective.objects.select_related("instance", "tag", "group"))
    fields = {"objectives": [{"scope": row.scope, "rpo": row.rpo, "rto": row.rto} for row in rows]}
    if not rows:
        return Answer(fields, ["No objective is set. Set one with setobjective."])
    lines = [
        (row.scope, *("inherited" if each is None else format_duration(each)
                      for each in (row.rpo, row.rto)))
        for row in rows
    ]  # fmt: skip
    return Answer(fields, [table(("scope", "RPO", "RTO"), lines)])


def _standing(instance: Instance) -> Answer:
    row = standing_of(instance, now())
    recovery = recovery_of(row)
    fields = {
        "instance": instance.name,
        "level": row.level,
        "rpo": row.rpo,
        "rpo_scope": row.rpo_scope,
        "rpo_level": row.rpo_level,
        "rto": row.rto,
        "rto_scope": row.rto_scope,
        "rto_level": row.rto_level,
        "reasons": row.reasons.splitlines(),
        "recoverable_to": row.reached_at,
        "recovery_low": recovery.low,
        "recovery": recovery.middle,
        "recovery_high": recovery.high,
        "basis": recovery.basis,
        "restore_tested_at": row.proven_at,
    }
    shown = [f"{instance.name}: {row.get_level_display().lower()}", *row.reasons.splitlines()]
    shown += [
        f"{name} {format_duration(length)} from {scope}"
        for name, length, scope in (
            ("RPO", row.rpo, row.rpo_scope), ("RTO", row.rto, row.rto_scope),
        )
        if length is not None
    ]  # fmt: skip
    return Answer(fields, shown)


def recovery_of(row: ObjectiveStanding) -> PredictedRecovery:
    """Return how long a recovery should take, as it was judged."""
    return PredictedRecovery(row.recovery_low, row.recovery, row.recovery_high, row.recovery_basis)
