"""Is bad use refused, and is a paced backup held to its targets exactly?"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.kindness import main
from bench.kindness_targets import CANDIDATES, MARIADB, MYSQL, NONE, PAIRS, RATIOS
from bench.report import HEADINGS
from bench.samples import Samples


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--only", "mariadb,oracle"), "there is no section oracle"),
        (("--gib", "0"), "0 is not a size from 0.05 GiB on"),
        (("--rounds", "0"), "0 is not at least 1"),
        (("--redo-burst", "0"), "0 is not at least 1"),
        (("--only", "mysql", "--mysqld", "/nowhere/mysqld"), "/nowhere/mysqld cannot be run"),
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


@pytest.mark.parametrize("product", [MARIADB, MYSQL])
@pytest.mark.parametrize(
    ("p99_ms", "tps", "wall_s", "verdicts"),
    [
        (50.0, 294.0, 15.0, {"met"}),
        (50.1, 293.9, 15.1, {"not met"}),
    ],
)
def test_every_edge_of_a_target(
    product: str, p99_ms: float, tps: float, wall_s: float, verdicts: set[str]
) -> None:
    samples = Samples()
    quiet = {"p99_ms": 10.0, "tps": 300.0, "wall_s": 10.0}
    for candidate in CANDIDATES[product]:
        samples.add(product, candidate, 1, quiet)
    for paced in set(CANDIDATES[product]) & PAIRS.keys():
        samples = Samples([sample for sample in samples.kept if sample.candidate != paced])
        samples.add(product, paced, 1, {"p99_ms": p99_ms, "tps": tps, "wall_s": wall_s})
    found = {result.verdict for result in samples.results(RATIOS) if result.at_most is not None}
    assert found == verdicts


def test_all_tools_are_compared_with_no_backup() -> None:
    for product, candidates in CANDIDATES.items():
        names = [ratio.name for ratio in RATIOS if ratio.name.startswith(f"{product}: p99")]
        assert names == [f"{product}: p99, {each} ÷ {NONE}" for each in candidates[1:]]
        assert product in HEADINGS
