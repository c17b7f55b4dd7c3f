"""How does a report become tables of plain text?"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from backups.units import format_duration

# What spreadsheets take for a formula: names and errors may come from anywhere.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
# Any: JSON.
Report = Mapping[str, Any]


def write_tables(report: Report) -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of each CSV file."""
    instances = report["instances"]
    runs = (
        "due_at", "schedule", "operation", "kind", "status", "why", "attempts", "started_at",
        "ended_at",
    )  # fmt: skip
    yield "runs.csv", _table(("instance", *runs), _rows(instances, "runs", runs))
    backups = ("label", "kind", "origin", "started_at", "ended_at")
    yield (
        "backups.csv",
        _table(("instance", *backups, "copies"), _backups(instances, backups)),
    )
    controls = ("name", "wanted", "met", "found")
    yield "controls.csv", _table(("instance", *controls), _rows(instances, "controls", controls))
    proofs = ("number", "at", "kind", "label", "passed", "recovery", "error", "digest")
    yield "evidence.csv", _table(("instance", *proofs), _proofs(instances, proofs))
    acts = ("at", "actor", "via", "address", "verb", "kind", "name", "instance", "details")
    yield "activity.csv", _table(acts, ([act[name] for name in acts] for act in report["activity"]))


def proofs_of(instance: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the evidence of an instance in the period. Any: JSON."""
    for link in instance["chain"]["links"]:
        content = link["content"]
        if content is None:
            continue
        length = content.get("recovery_us") or content.get("took_us")
        report = content.get("report") or {}
        yield {
            "number": link["number"],
            "at": content["at"],
            "kind": content["kind"].replace("_", " "),
            "label": content["label"],
            "passed": content["passed"],
            "recovery": format_duration(timedelta(microseconds=length)) if length else "",
            "error": content.get("error") or report.get("error", ""),
            "digest": link["digest"],
        }


def _rows(
    instances: Iterable[Mapping[str, Any]], part: str, names: Sequence[str]
) -> Iterator[list[object]]:
    for instance in instances:
        for row in instance[part]:
            yield [instance["name"], *(row[name] for name in names)]


def _backups(
    instances: Iterable[Mapping[str, Any]], names: Sequence[str]
) -> Iterator[list[object]]:
    for instance in instances:
        for row in instance["backups"]:
            copies = ", ".join(f"{copy['repository']} {copy['status']}" for copy in row["copies"])
            yield [instance["name"], *(row[name] for name in names), copies]


def _proofs(instances: Iterable[Mapping[str, Any]], names: Sequence[str]) -> Iterator[list[object]]:
    for instance in instances:
        for proof in proofs_of(instance):
            yield [instance["name"], *(proof[name] for name in names)]


def _table(names: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(names)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _cell(value: object) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True)
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
