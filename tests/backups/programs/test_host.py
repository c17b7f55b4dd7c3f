"""The host of an instance, seen through a runner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from backups.exceptions import RunnerError
from backups.programs.host import DataFiles, parse_listing, survey_host
from backups.runners.base import Completed, RunningCommand

# As printed by mariadb-backup of Debian 12.
VERSION = "mariadb-backup based on MariaDB server 10.11.19-MariaDB debian-linux-gnu (x86_64)"
LISTING = "100 ibdata1\n7 a.frm\n"


@dataclass
class ScriptedRunner:
    """Answers by the name of the program; an exception is raised instead."""

    kind: ClassVar[str] = "scripted"
    answers: dict[str, Completed | RunnerError]
    asked: list[Sequence[str]] = field(default_factory=list)

    def run(self, argv: Sequence[str], *, timeout_seconds: float = 30) -> Completed:
        self.asked.append(argv)
        answer = self.answers[argv[0]]
        if isinstance(answer, RunnerError):
            raise answer
        return answer

    def failure(self, argv: Sequence[str], exit_code: int, stderr: str) -> RunnerError | None:
        return None

    def start(
        self, argv: Sequence[str], *, secret_files: Mapping[str, str]
    ) -> AbstractContextManager[RunningCommand]:
        raise AssertionError("looking at a host starts nothing long")


def said(stdout: str = "", stderr: str = "", exit_code: int = 0) -> Completed:
    return Completed(exit_code, stdout, stderr)


def runner(**changes: Completed | RunnerError) -> ScriptedRunner:
    answers: dict[str, Completed | RunnerError] = {
        "uname": said("db-1\n"),
        "mariadb-backup": said(stderr=VERSION),
        "find": said(LISTING),
    }
    return ScriptedRunner(answers | {name.replace("_", "-"): to for name, to in changes.items()})


def test_it_reads_tool_files_and_name() -> None:
    host = survey_host(runner(), "/var/lib/mysql/")
    assert (host.hostname, host.tool) == ("db-1", (10, 11, 19))
    assert host.files == DataFiles(innodb_bytes=100, other_bytes=7, file_count=2)
    assert (host.tool_problem, host.files_problem) == ("", "")


def test_a_host_that_cannot_be_reached_is_tried_once() -> None:
    away = runner(uname=RunnerError("cannot reach db-1: timed out", hint="Check db-1."))
    host = survey_host(away, "/var/lib/mysql/")
    assert host.tool_problem == host.files_problem == "cannot reach db-1: timed out"
    assert host.tool_hint == "Check db-1."
    assert len(away.asked) == 1


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (RunnerError("mariadb-backup is not installed on this host"), "not installed"),
        (said(stderr="sh: mariadb-backup: not found", exit_code=127), "not installed"),
        (said(stderr="cannot open shared object file", exit_code=1), "ended with 1: cannot open"),
        (said("no number in it"), "ended with 0: no number in it"),
    ],
)
def test_a_tool_that_cannot_be_used(answer: Completed | RunnerError, problem: str) -> None:
    host = survey_host(runner(mariadb_backup=answer), "/var/lib/mysql/")
    assert host.tool is None
    assert problem in host.tool_problem


def test_files_that_vanish_while_they_are_listed_are_no_problem() -> None:
    gone = said(LISTING, "find: ‘x.ibd’: No such file or directory", exit_code=1)
    host = survey_host(runner(find=gone), "/var/lib/mysql")
    assert host.files is not None
    assert host.files_problem == ""


def test_a_folder_that_is_not_there_is_a_problem() -> None:
    missing = said(stderr="find: ‘/nowhere/’: No such file or directory", exit_code=1)
    host = survey_host(runner(find=missing), "/nowhere")
    assert host.files is None
    assert host.files_problem == "find: ‘/nowhere/’: No such file or directory"


def test_without_a_place_nothing_is_listed() -> None:
    asked = runner()
    assert survey_host(asked, "").files is None
    assert "find" not in [argv[0] for argv in asked.asked]


@pytest.mark.parametrize(
    ("line", "innodb", "other"),
    [
        ("5 shop.ibd", 5, 0),
        ("5 part#P#p0.ibd", 5, 0),
        ("5 ibdata12", 5, 0),
        ("5 undo001", 5, 0),
        ("5 t.MYD", 0, 5),
        ("5 t.MAI", 0, 5),
        ("5 aria_log.00000001", 0, 5),
        ("5 aria_log_control", 0, 5),
        ("5 db.opt", 0, 5),
        # Copied in part, counted otherwise, or not at all.
        ("5 ib_logfile0", 0, 0),
        ("5 ibtmp1", 0, 0),
        ("5 binlog.000001", 0, 0),
        ("5 host.err", 0, 0),
        ("not a listing", 0, 0),
    ],
)
def test_which_files_a_backup_copies(line: str, innodb: int, other: int) -> None:
    files = parse_listing(line)
    assert (files.innodb_bytes, files.other_bytes) == (innodb, other)
    assert files.file_count == (1 if innodb or other else 0)


@pytest.mark.parametrize(
    ("line", "unreadable"),
    [
        ("! d 1 /var/lib/mysql/shop", "/var/lib/mysql/shop"),
        ("! f 2 /var/lib/mysql/shop/my table.ibd", "/var/lib/mysql/shop/my table.ibd"),
        ("! f 2 /var/lib/mysql/server-key.pem", ""),
        ("! d 1 /var/lib/mysql/lost+found", "/var/lib/mysql/lost+found"),
        ("! d 2 /var/lib/mysql/shop/attic", ""),
    ],
)
def test_only_what_a_backup_needs_has_to_be_readable(line: str, unreadable: str) -> None:
    assert parse_listing(f"1 a.ibd\n{line}\n").unreadable == unreadable
