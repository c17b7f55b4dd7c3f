"""The log of a server is handed on line by line, each once, and only when it is whole."""

from __future__ import annotations

from pathlib import Path

from backups.programs.server_log import ServerLog


def test_each_whole_line_once(tmp_path: Path) -> None:
    path, lines = tmp_path / "server.log", list[str]()
    log = ServerLog(path, lines.append)
    log.relay()
    for written, seen in (
        ("one\ntw", ["one"]),
        ("o\n", ["one", "two"]),
        ("", ["one", "two"]),
        ("three\n\nfour\n", ["one", "two", "three", "", "four"]),
    ):
        with path.open("a") as file:
            file.write(written)
        log.relay()
        assert lines == seen
    assert log.tail(2) == "\nfour"


def test_a_log_that_was_never_written(tmp_path: Path) -> None:
    assert ServerLog(tmp_path / "server.log").tail() == "(no log written)"
