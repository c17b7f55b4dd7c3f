"""What did the demo prove? The page it ends with."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from scripts.proof import Proof

# As wide as the terminal, and wide enough for every line where there is none.
OUT = Console(highlight=False, width=None if sys.stdout.isatty() else 100)


def show(
    proof: Proof,
    *,
    label: str,
    server: str,
    place: str,
    backup: Mapping[str, Any],
    seconds: Mapping[str, float],
    postings: tuple[int, int],
    total_seconds: float,
) -> bool:
    """Print what was found; return whether every line of it is good."""
    claims = list(_claims(proof, postings))
    table = Table.grid(padding=(0, 2))
    for good, claim, detail in claims:
        mark = Text("proven", "green") if good else Text("BROKEN", "bold red")
        table.add_row(mark, claim, Text(detail, "dim" if good else "bold"))
    proven = all(good for good, _, _ in claims)
    colour = "green" if proven else "red"
    OUT.print()
    OUT.print(Panel(table, title=f"backup {label} of {server}", border_style=colour, expand=False))
    OUT.print(_figures(backup, place, seconds, total_seconds))
    return proven


def show_dashboard(url: str, user: str, password: str) -> None:
    """Print where the dashboard is and how to get in."""
    table = Table.grid(padding=(0, 2))
    for name, value in (("dashboard", url), ("user", user), ("password", password)):
        table.add_row(name, Text(value, "bold"))
    OUT.print(Panel(table, title="open until Ctrl-C", expand=False))


def _claims(proof: Proof, postings: tuple[int, int]) -> Iterator[tuple[bool, str, str]]:
    before, after = postings
    damage, changed = "; ".join(proof.damaged), ", ".join(proof.differing)
    yield not proof.damaged, "CHECK TABLE finds nothing", damage or f"{proof.tables} tables"
    rows = f"{proof.static_rows:,} rows, every value summed"
    yield not proof.differing, "static rows are the same", changed or rows
    for one in proof.invariants:
        detail = one.words if one.ok else f"{one.found:,}, not {one.expected:,}"
        yield one.ok, one.name, detail
    moment = f"{before:,} ≤ {proof.postings:,} ≤ {after:,} postings"
    yield before <= proof.postings <= after, "it is of a moment during the backup", moment
    yield after > before, "the shop continued writing", f"{after - before:,} postings meanwhile"


def _figures(
    backup: Mapping[str, Any], place: str, seconds: Mapping[str, float], total_seconds: float
) -> Table:
    table = Table.grid(padding=(0, 2))
    raw, stored = backup.get("raw_bytes"), backup.get("stored_bytes")
    if raw and stored:
        table.add_row("size", f"{_megabytes(raw)}, stored in {_megabytes(stored)}")
    table.add_row("stored in", place)
    if (lock_time := backup.get("lock_time")) is not None:
        held = lock_time if isinstance(lock_time, str) else f"{lock_time:.2f} s"
        table.add_row("locks held", held)
    table.add_row("times", ", ".join(f"{name} {took:.1f} s" for name, took in seconds.items()))
    table.add_row("all of it", f"{total_seconds:.0f} s")
    return table


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
