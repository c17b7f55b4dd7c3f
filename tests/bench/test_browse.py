"""Is bad use refused before anything is made?"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.browse import main


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--only", "oracle"), "there is no section oracle"),
        (("--gib", "0"), "0 is not a size from 0.05 GiB on"),
        (("--mysqld", "/nowhere/mysqld"), "/nowhere/mysqld cannot be run"),
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
