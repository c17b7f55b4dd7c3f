"""What a report has in it, and what is left behind of one."""

from __future__ import annotations

import csv
import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from backups.evidence_report.period import parse_month
from backups.exceptions import BadInput
from backups.models import Activity, Evidence, SigningKey
from scripts.verify_evidence import main
from tests.backups.evidence_report.reported import HOSTILE, export, make_month
from tests.monitor.rows import T0

pytestmark = pytest.mark.django_db


def test_a_report_has_what_was_planned_proven_and_changed(tmp_path: Path) -> None:
    make_month()
    folder = tmp_path / "report"
    ended = export(folder, "--group", "shop")
    assert (ended.exit_code, ended.stderr) == (0, "")
    report = json.loads((folder / "report.json").read_text())
    (orders,) = report["instances"]
    assert orders["counts"] == {"succeeded": 1, "missed": 1}
    assert orders["runs"][1]["why"] == "No worker takes jobs from the queue"
    kinds = [(run["operation"], run["kind"]) for run in orders["runs"]]
    assert kinds == [("backup", "full"), ("backup", "full")]
    assert orders["recovery_us"] == 41_000_000
    links = orders["chain"]["links"]
    # From the first of the month to the head; the drill is of today, and only its hash is here.
    assert [link["number"] for link in links] == [2, 3, 4, 5]
    assert [link["content"] is not None for link in links] == [True, False, True, False]
    met = {control["name"]: control["met"] for control in orders["controls"]}
    assert (met["frequency"], met["retention"], met["encryption"]) == (False, None, True)
    # Of a group: what is of its instances, and of none; not what is of another.
    assert [act["actor"] for act in report["activity"]] == [HOSTILE]
    assert Activity.objects.filter(verb="exported").count() == 1


def test_tables_and_page_are_no_program(tmp_path: Path) -> None:
    make_month()
    export(tmp_path / "report")
    page = (tmp_path / "report" / "report.html").read_text()
    assert "<script" not in page
    assert not re.search(r"(?:src|href)=|url\(|@import", page)
    assert "&lt;script&gt;" in page
    with (tmp_path / "report" / "activity.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[1][1] == f"'{HOSTILE}"
    assert len(rows) == 3


def test_a_folder_that_has_something_is_refused_and_a_killed_one_is_replaced(
    tmp_path: Path,
) -> None:
    make_month()
    (tmp_path / "report").mkdir()
    unfinished = tmp_path / ".report.unfinished"
    unfinished.mkdir()
    (unfinished / "report.json").write_text("{")
    assert export(tmp_path / "report").exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["report"]
    assert "not an empty folder" in export(tmp_path / "report").stderr
    assert export(tmp_path / "none" / "report").exit_code == 2


def test_a_broken_chain_is_said_and_the_report_written(tmp_path: Path) -> None:
    make_month()
    Evidence.objects.filter(passed=False).update(passed=True)
    ended = export(tmp_path / "report")
    assert ended.exit_code == 4
    assert "is broken: link 4: the restore test" in ended.stdout
    assert main([str(tmp_path / "report")]) == 1


def test_keys_are_encrypted_and_a_new_one_signs_from_then_on(tmp_path: Path) -> None:
    make_month()
    export(tmp_path / "first")
    old = SigningKey.objects.get()
    assert old.public_key not in old.private_key_token
    export(tmp_path / "second", "--new-key")
    new = SigningKey.objects.first()
    assert new is not None
    assert main([str(tmp_path / "first"), "--key-id", old.key_id]) == 0
    assert main([str(tmp_path / "second"), "--key-id", new.key_id]) == 0
    assert main([str(tmp_path / "second"), "--key-id", old.key_id]) == 1


@pytest.mark.parametrize("text", ["2026-13", "2026-1", "26-01", "2026-04", "0000-01", "2026-01 "])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse_month(text, T0)


def test_a_month_ends_where_the_next_begins() -> None:
    period = parse_month("2025-12", T0)
    assert period.until.isoformat() == "2026-01-01T00:00:00+00:00"
    assert parse_month("2026-03", T0).judged_at(T0 + timedelta(days=1)) == T0 + timedelta(days=1)
