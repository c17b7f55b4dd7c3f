"""Do the rows of the measurement of repositories that need no server still run?"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.store_rows import ROWS, Load


@pytest.mark.parametrize("row", ["folder", "pipe"])
def test_a_row_writes_and_removes_as_every_repository_does(
    row: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    ROWS[row](Load(mib=4, rounds=1))
    assert f"{row}: backup, beside dd" in capfd.readouterr().out
