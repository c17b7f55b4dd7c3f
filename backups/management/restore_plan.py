"""How does a command show what a restore would do, without doing it?"""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table

from backups.management.output import DONE, REFUSED, Answer
from backups.restores.plan import RestorePlan
from backups.units import format_bytes, format_duration


def answer_plan(plan: RestorePlan) -> Answer:
    """Return what is read and needed, every check, and how long it should take."""
    estimate, prediction = plan.estimate, plan.estimate.prediction
    fields: dict[str, object] = {
        "label": plan.restore.copy.backup.label,
        "repository": plan.restore.copy.repository.name,
        "needed_bytes": plan.need_bytes,
        "replayed_bytes": plan.recovery.bytes_total if plan.recovery is not None else None,
        "transactions": plan.recovery.stop.transactions if plan.recovery is not None else None,
        "estimate": estimate.length,
        "estimate_low": prediction.low if prediction is not None else None,
        "estimate_high": prediction.high if prediction is not None else None,
        "estimate_basis": estimate.basis,
        "deleted_from": plan.mark.due_at if plan.mark is not None else None,
        "would_be_refused": bool(plan.refused),
        "checks": [check.as_json() for check in plan.checks],
    }
    return Answer(fields, _shown(plan), REFUSED if plan.refused else DONE)


def _shown(plan: RestorePlan) -> list[RenderableType]:
    checks = Table.grid(padding=(0, 2))
    for check in plan.checks:
        checks.add_row(check.verdict.value, check.name, check.found)
    length = format_duration(plan.estimate.length)
    about = f"about {length}" if plan.estimate.length is not None else "unknown"
    hints = [f"HINT: {check.name}: {check.hint}" for check in plan.checks if check.hint]
    return [
        f"{plan.restore.copy} would be restored to {plan.restore.target}",
        checks,
        f"room: {format_bytes(plan.need_bytes)}",
        f"run time: {about} ({plan.estimate.note})",
        *hints,
        "it would be refused" if plan.refused else "nothing was changed; leave out --plan to start",
    ]
