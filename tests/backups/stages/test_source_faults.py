"""Which engines that this host does not load are named, and with which reason?"""

from __future__ import annotations

import pymysql
import pytest

from backups.stages.proof.source_faults import UNKNOWN_ENGINE, explain, explain_check


@pytest.mark.parametrize(
    ("engine", "missing", "reason"),
    [
        ("ARCHIVE", "ARCHIVE", "this host's server has no storage engine ARCHIVE"),
        # The server's own list has no name for an engine that it does not know.
        (None, "ROCKSDB", "this host's server has no storage engine ROCKSDB"),
        (None, "CONNECT", "the engine CONNECT reads other files or servers"),
        (None, "FEDERATED", "the engine FEDERATED reads other files or servers"),
    ],
)
def test_a_table_of_an_engine_that_is_not_here(
    engine: str | None, missing: str, reason: str
) -> None:
    error = pymysql.err.OperationalError(UNKNOWN_ENGINE, f"Unknown storage engine '{missing}'")
    table = {"table_schema": "shop", "table_name": "t", "engine": engine}
    assert reason in explain(pymysql.Connection(defer_connect=True), table, error)


@pytest.mark.parametrize(
    ("engine", "warnings", "messages", "reason"),
    [
        ("MyISAM", ["Table is marked as crashed"], [], "it was marked as crashed there"),
        # Whoever reads damage sets the mark, so only the first look counts.
        ("MyISAM", [], ["Table 't' is marked as crashed and should be repaired"], ""),
        # Prepare may have set it.
        ("Aria", ["Table is marked as crashed"], [], ""),
        ("InnoDB", [], ["Got error 192 'Table encrypted but decryption failed."], "do not open it"),
        ("InnoDB", [], ["Table is corrupted. Please drop the table and recreate."], ""),
    ],
)
def test_what_a_check_says_of_the_copy(
    engine: str, warnings: list[str], messages: list[str], reason: str
) -> None:
    table = {"table_schema": "shop", "table_name": "t", "engine": engine}
    said = explain_check(table, warnings, [*warnings, *messages])
    assert reason in said
    assert bool(said) is bool(reason)
