"""Is bad use refused before anything is made, and can what is measured be shown?"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.one_table import SECTION, main
from bench.report import HEADINGS


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--product", "oracle"), "invalid choice: 'oracle'"),
        (("--gib", "0"), "0 is not a size from 0.05 GiB on"),
    ],
)
def test_bad_use_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--work", str(tmp_path / "work"), *arguments])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "work").exists()


def test_the_tables_have_a_heading() -> None:
    assert SECTION in HEADINGS
