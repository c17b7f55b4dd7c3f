"""Is bad use refused before anything is made?"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.backup_vs_shell import main


@pytest.mark.parametrize(
    "arguments",
    [
        ("--only", "backup,everything"),
        ("--gib", "0"),
        ("--gib", "nan"),
        ("--gib", "many"),
        ("--rounds", "0"),
        ("--only", "memory", "--gib", "1", "--small-gib", "1"),
        ("--onl", "backup"),
    ],
)
def test_bad_use_ends_with_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    work = tmp_path / "work"

    with pytest.raises(SystemExit) as ended:
        main(["--work", str(work), *arguments])

    assert ended.value.code == 2
    assert not work.exists()
