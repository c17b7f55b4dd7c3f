"""Options that say up to where binlogs are replayed, and contradict each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from backups.models import Instance, Job
from tests.commands import run_command

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("words", [
    # A script's variable that is not set.
    ("--until", ""), ("--until-gtid", ""), ("--until-file-pos", ""), ("--skip-gtid", ""),
    ("--until-gtid", "0-1-5", "--skip-gtid", ""),
    ("--until-gtid", "0-1-5", "--before-gtid", "0-1-6"),
    ("--skip-gtid", "0-1-5"), ("--until", "2026-03-02 01:00 EDT"),
    ("--until", "0001-01-01 00:00 Asia/Tokyo"), ("--until", "9999-12-31 23:59 America/New_York"),
    ("--until-gtid", "0-1-5,0-1-6"), ("--until-file-pos", "b.000001"),
])  # fmt: skip
def test_are_bad_input(orders: Instance, tmp_path: Path, words: tuple[str, ...]) -> None:
    ended = run_command("restorebackup", "orders-1", "--to", str(tmp_path / "new"), *words)
    assert ended.exit_code == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    assert not Job.objects.exists()
