"""Is bad use refused, and is nine tenths of the bytes quiet?"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.optimistic import QuietDatabase, main


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--gib", "0"), "0 is not a size from 0.05 GiB on"),
        (("--rounds", "0"), "0 is not at least 1"),
        (("--gib", "9000"), "MB free"),
    ],
)
def test_bad_use_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], why: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--work", str(tmp_path / "work"), *arguments])
    assert ended.value.code == 2
    assert why in capsys.readouterr().err


def test_nine_tenths_of_the_rows_are_quiet(tmp_path: Path) -> None:
    tables = list(QuietDatabase(tmp_path, 1.0).tables())
    quiet = sum(rows for name, rows in tables if name.startswith("quiet"))
    assert quiet / sum(rows for _, rows in tables) == pytest.approx(0.9, abs=0.001)
