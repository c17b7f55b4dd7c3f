"""Does the measurement of the index run, and does it index all?"""

from __future__ import annotations

import pytest

from bench.binlog_index import file_chunks, forged, main, measure_index
from tests.backups.binlogs.made import REAL


@pytest.mark.parametrize("flavour", ["mysql", "mariadb"])
def test_a_forged_file_is_indexed(flavour: str) -> None:
    chunks = forged(flavour, 300)
    figures = measure_index(flavour, iter(chunks))
    assert (figures.transactions, figures.bytes) == (300, sum(map(len, chunks)))


def test_real_files_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    path = REAL / "mysql-formats.binlog"
    assert measure_index("real", file_chunks(path)).transactions == 18
    assert main([str(path)]) == 0
    assert "18 transactions" in capsys.readouterr().out
