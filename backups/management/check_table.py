"""How are checks shown: a row for each, and below them what to do?"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from backups.checks import Check, Verdict
from backups.management.output import table

COLOURS = {
    Verdict.OK: "green",
    Verdict.WARNING: "yellow",
    Verdict.FAILED: "bold red",
    Verdict.UNKNOWN: "dim",
}


def shown_checks(checks: Sequence[Check]) -> list[RenderableType]:
    """Return the table of checks and their hints."""
    rows = [
        (check.name, Text(check.verdict.value, style=COLOURS[check.verdict]), check.found)
        for check in checks
    ]
    # Below the table and never wrapped: statements in them are to be copied.
    hints = [f"{check.name}: {check.hint}" for check in checks if check.hint]
    shown: list[RenderableType] = [table(("check", "verdict", "found"), rows), ""]
    return [*shown, "What to do:", *(f"  {hint}" for hint in hints), ""] if hints else shown
