"""Statements as hooks, on a real server: counted, limited, killed, and never two of them."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from backups.engines.base import Login
from backups.exceptions import CancelRequested
from backups.hooks.definition import HookResult
from backups.hooks.run_statement import run_statement
from tests.backups.hooks.made import one_hook
from tests.live.mooring_site import wait_until
from tests.live.server import LiveServer

pytestmark = pytest.mark.live

SLEEPING = "SELECT id FROM information_schema.processlist WHERE info LIKE 'DO SLEEP(%'"


@pytest.fixture(scope="module")
def hooked(mariadb: LiveServer) -> LiveServer:
    mariadb.execute(
        "CREATE DATABASE IF NOT EXISTS hooked",
        "CREATE OR REPLACE TABLE hooked.notes (word VARCHAR(20))",
        "INSERT INTO hooked.notes VALUES ('one'), ('two'), ('three')",
        "CREATE OR REPLACE USER hooks@'%' IDENTIFIED BY 'h00ks'",
        "GRANT SELECT, INSERT, UPDATE ON hooked.* TO hooks@'%'",
    )
    return mariadb


def login(server: LiveServer) -> Login:
    return Login(user="hooks", password="h00ks", socket=server.socket)


def run(server: LiveServer, folder: Path, sql: str, seconds: int = 20) -> HookResult:
    entry = f'[probe]\nwhen = \'before\'\nseconds = {seconds}\nsql = """{sql}"""\n'
    return run_statement(one_hook(folder, entry), login(server), lambda: None)


def test_rows_are_counted_and_not_kept(hooked: LiveServer, tmp_path: Path) -> None:
    assert run(hooked, tmp_path, "SELECT word FROM hooked.notes") == HookResult(found="3 rows")
    changed = run(hooked, tmp_path, "UPDATE hooked.notes SET word = 'x' WHERE word = 'one'")
    assert changed == HookResult(found="1 row")
    # Committed: whatever the server's own settings are.
    assert hooked.execute("SELECT count(*) FROM hooked.notes WHERE word = 'x'") == [(1,)]
    large = "SELECT seq, REPEAT('x', 1000) FROM hooked.seq_1_to_100000"
    assert run(hooked, tmp_path, large).found == "100,000 rows"


def test_an_error_of_the_server_is_the_problem(hooked: LiveServer, tmp_path: Path) -> None:
    ended = run(hooked, tmp_path, "SELECT nothing FROM hooked.notes")
    assert ended.problem.startswith("error 1054: Unknown column 'nothing'")
    ended = run(hooked, tmp_path, "STOP SLAVE SQL_THREAD")
    assert ended.problem.startswith("error 1227: Access denied")


def test_two_statements_are_none(hooked: LiveServer, tmp_path: Path) -> None:
    two = "INSERT INTO hooked.notes VALUES ('a'); INSERT INTO hooked.notes VALUES ('b')"
    assert run(hooked, tmp_path, two).problem.startswith(
        "error 1064: You have an error in your SQL"
    )
    assert hooked.execute("SELECT count(*) FROM hooked.notes WHERE word < 'c'") == [(0,)]


def test_a_login_that_fails_is_the_problem(hooked: LiveServer, tmp_path: Path) -> None:
    hook = one_hook(tmp_path, "[probe]\nwhen = 'before'\nsql = 'DO 1'\n")
    ended = run_statement(hook, replace(login(hooked), password="another"), lambda: None)
    assert ended.problem.startswith("could not be run: cannot connect to ")
    assert "another" not in ended.problem


def test_the_server_ends_what_takes_too_long(hooked: LiveServer, tmp_path: Path) -> None:
    ended = run(hooked, tmp_path, "DO SLEEP(600)", seconds=1)
    assert ended == HookResult("did not end within 1 s and was stopped")
    assert hooked.execute(SLEEPING) == []


def test_what_the_server_does_not_end_is_killed(
    hooked: LiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on MySQL, which limits nothing but SELECT.
    monkeypatch.setattr("backups.hooks.run_statement._LIMITS", ())
    ended = run(hooked, tmp_path, "DO SLEEP(600)", seconds=1)
    assert ended == HookResult("did not end within 1 s and was stopped")
    wait_until(lambda: hooked.execute(SLEEPING) == [])


def test_a_cancel_kills_it_on_the_server(hooked: LiveServer, tmp_path: Path) -> None:
    hook = one_hook(tmp_path, "[probe]\nwhen = 'before'\nsql = 'DO SLEEP(600)'\n")

    def cancel() -> None:
        if hooked.execute(SLEEPING):
            raise CancelRequested

    began = time.monotonic()
    with pytest.raises(CancelRequested):
        run_statement(hook, login(hooked), cancel)
    assert time.monotonic() - began < 60
    wait_until(lambda: hooked.execute(SLEEPING) == [])
