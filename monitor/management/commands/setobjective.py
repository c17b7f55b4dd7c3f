"""Set or remove the recovery objectives of all instances, or of a part of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser
from django.utils.timezone import now

from backups.exceptions import BadInput
from backups.management.output import Answer, MooringCommand
from backups.management.rows import refuse_invalid
from backups.models import Instance, InstanceGroup, RecoveryObjective, Tag
from backups.objectives.save import remove_objective, save_objective
from backups.units import format_duration
from monitor.configuration.values import parse_length

_SCOPES = {"instance": Instance, "tag": Tag, "group": InstanceGroup}
NONE = "none"


class Command(MooringCommand):
    help = "Set or remove the recovery objectives of all instances, or of a part of them."

    def add_options(self, parser: CommandParser) -> None:
        scope = parser.add_mutually_exclusive_group(required=True)
        scope.add_argument("--all", action="store_true", help="Of all instances.")
        for name in _SCOPES:
            scope.add_argument(f"--{name}", metavar="NAME", help=f"Of this {name}.")
        for name, meaning in (
            ("rpo", "What may be lost at most: 90s, 15m, 4h or 1d"),
            ("rto", "How long a recovery may take at most"),
        ):
            parser.add_argument(
                f"--{name}", metavar="LENGTH", help=f"{meaning}; none: as the wider scope has it."
            )
        parser.add_argument("--remove", action="store_true", help="Remove both.")

    def answer(self, options: dict[str, Any]) -> Answer:
        given = {name: options[name] for name in ("rpo", "rto") if options[name] is not None}
        if bool(given) == options["remove"]:
            raise BadInput("give --rpo, --rto or both; or --remove alone")
        objective = _find(_scope(options))
        before = objective.pk is not None
        for name, text in given.items():
            setattr(objective, name, _length(name, text))
        at, scope = now(), objective.scope
        if options["remove"] or (objective.rpo is None and objective.rto is None):
            if not before:
                raise BadInput(f"no objective of {scope} is set")
            remove_objective(objective, at)
            return Answer({"scope": scope, "rpo": None, "rto": None}, [f"{scope}: removed"])
        refuse_invalid(objective)
        save_objective(objective, at)
        fields = {"scope": scope, "rpo": objective.rpo, "rto": objective.rto}
        return Answer(fields, [f"{scope}: {in_words(objective)}"])


def in_words(objective: RecoveryObjective) -> str:
    """Return what an objective sets, and what it inherits."""
    lengths = (("RPO", objective.rpo), ("RTO", objective.rto))
    return ", ".join(
        f"{name} {format_duration(length) if length else 'inherited'}" for name, length in lengths
    )


def _scope(options: dict[str, Any]) -> dict[str, Any]:
    """Return the row that is the scope, by the name of its column. Any: a row of three models."""
    for name, model in _SCOPES.items():
        if (wanted := options[name]) is not None:
            row = model._default_manager.filter(name=wanted).first()
            if row is None:
                raise BadInput(f"no {name} is named {wanted}")
            return {name: row}
    return {}


def _find(scope: dict[str, Any]) -> RecoveryObjective:
    columns = {name: scope.get(name) for name in _SCOPES}
    found = RecoveryObjective.objects.filter(**columns).first()
    return found or RecoveryObjective(**columns)


def _length(name: str, text: str) -> timedelta | None:
    if text == NONE:
        return None
    try:
        return parse_length(text)
    except BadInput as exc:
        raise BadInput(f"--{name}: {exc}", hint=exc.hint) from None
