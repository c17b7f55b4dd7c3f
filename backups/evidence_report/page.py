"""How does a report look on paper? One HTML file, without scripts and outside resources."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.template.loader import render_to_string

from backups.evidence_report.tables import proofs_of
from backups.models import SigningKey
from backups.states import Operation
from backups.units import format_count, format_duration

TEMPLATE = "evidence_report/report.html"
_TONES = {True: "met", False: "not met", None: "unknown"}


def write_page(report: Mapping[str, Any], key: SigningKey) -> bytes:
    """Return the page, for a browser and for its printer. Any: JSON."""
    instances = [_instance(instance) for instance in report["instances"]]
    planned = sum(len(instance["runs"]) for instance in report["instances"])
    statuses = Counter(run["status"] for each in report["instances"] for run in each["runs"])
    missed = [each for each in instances if each["not_met"]]
    context = {
        "report": report,
        "key": key,
        "instances": instances,
        "planned": planned,
        "statuses": sorted(statuses.items()),
        "met": len(instances) - len(missed),
        "activity": [act | {"at": _shown(act["at"])} for act in report["activity"]],
        "created_at": _shown(report["created_at"]),
        "history_from": _shown(report["history_from"]),
    }
    return render_to_string(TEMPLATE, context).encode()


def _instance(instance: Mapping[str, Any]) -> dict[str, Any]:
    controls = [control | {"answer": _TONES[control["met"]]} for control in instance["controls"]]
    proofs = [proof | {"at": _shown(proof["at"])} for proof in proofs_of(instance)]
    recovery = instance["recovery_us"]
    return {
        "name": instance["name"],
        "uuid": instance["uuid"],
        "chain": instance["chain"],
        "controls": controls,
        "not_met": sum(control["met"] is False for control in controls),
        "unknown": sum(control["met"] is None for control in controls),
        "planned": len(instance["runs"]),
        "succeeded": instance["counts"].get("succeeded", 0),
        "backups": format_count(len(instance["backups"]), "backup"),
        "others": [
            run
            | {
                "due_at": _shown(run["due_at"]),
                "what": run["kind"] or Operation(run["operation"]).label,
            }
            for run in instance["runs"]
            if run["status"] != "succeeded"
        ],
        "proofs": proofs,
        "passed": sum(proof["passed"] for proof in proofs),
        "recovery": format_duration(timedelta(microseconds=recovery)) if recovery else "",
    }


def _shown(moment: str | None) -> str:
    """Return a moment as people read it, to the minute."""
    return moment[:16].replace("T", " ") if moment else ""
