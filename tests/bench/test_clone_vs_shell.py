"""Is bad use refused before anything is made?"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.clone_targets import CLONE_RATIOS
from bench.clone_vs_shell import main
from bench.samples import Samples


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--only", "backup,everything"), "there is no section everything"),
        (("--gib", "0"), "0 is not a size from 0.05 GiB on"),
        (("--rounds", "0"), "0 is not at least 1"),
        (("--mysqld", "/bin/true"), "/bin/true does not report its version"),
        (("--mysqld", "/nowhere/mysqld"), "/nowhere/mysqld cannot be run"),
        (("--onl", "backup"), "unrecognized arguments"),
    ],
)
def test_bad_use_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    work = tmp_path / "work"
    with pytest.raises(SystemExit) as ended:
        main(["--work", str(work), *arguments])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
    assert not work.exists()


def test_nothing_staged_meets_its_target() -> None:
    samples = Samples()
    for staged in (0, 1):
        samples.add("backup", "mooring", 1, {"staged_bytes": staged})
        (result,) = samples.results(CLONE_RATIOS)
        assert result.verdict == ("not met" if staged else "met")
