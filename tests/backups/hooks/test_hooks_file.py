"""Does the hooks file say what a host runs, and is anything odd in it refused in words?"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backups.exceptions import BadInput
from backups.hooks.definition import HookSubject, OnFailure, RunsOn, applies
from backups.hooks.hooks_file import load_hooks
from backups.hooks.session_bound import ENDS_SERVER, ENDS_WITH_SESSION, why_useless
from backups.hooks.trusted_file import check_program
from backups.states import HookTime, JobStatus, Operation
from tests.backups.hooks.made import hooks_file, one_hook

GOOD = """
[start-vpn]
when = "before"
command = ["/usr/local/bin/vpn", "up"]
seconds = 30
user = "vpn"
operations = ["backup", "restore"]
groups = ["remote"]
environment = { GATE = "east" }

[stop-applying]
when = "before-copy"
sql = "STOP SLAVE SQL_THREAD;"
on_failure = "warn"
instances = ["orders-2"]

[stop-vpn]
when = "after"
on = "failure"
command = ["/usr/local/bin/vpn", "down"]
schedules = ["nightly"]
"""


def test_entries_become_hooks_in_the_order_of_the_file(tmp_path: Path) -> None:
    start, applying, stop = load_hooks(hooks_file(tmp_path, GOOD))
    assert (start.name, start.when, start.seconds) == ("start-vpn", HookTime.BEFORE, 30)
    assert start.command == ("/usr/local/bin/vpn", "up")
    assert start.scope.operations == (Operation.BACKUP, Operation.RESTORE)
    assert (start.on_failure, stop.on_failure) == (OnFailure.REFUSE, OnFailure.WARN)
    assert applying.sql == "STOP SLAVE SQL_THREAD"
    assert applying.title == "hook before-copy: stop-applying"
    assert (applying.seconds, applying.scope.operations) == (60, (Operation.BACKUP,))
    assert stop.on is RunsOn.FAILURE


def test_without_a_file_there_are_no_hooks(tmp_path: Path) -> None:
    assert load_hooks(tmp_path / "hooks.toml") == ()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("[start-vpn]", "[start-vpn"), "is not TOML"),
        (("[start-vpn]", "[start-the-vpn-of-the-east]"), "a name has up to 22 letters"),
        (("[start-vpn]", '["hook 1"]'), "a name has up to 22 letters"),
        (("[start-vpn]", "late = 3\n[start-vpn]"), "hook late: must be a table"),
        (("seconds = 30", "timeout = 30"), "unknown: timeout"),
        (("seconds = 30", "seconds = 0"), "seconds must be a whole number from 1 to 86400"),
        (("seconds = 30", "seconds = true"), "seconds must be a whole number"),
        (("seconds = 30", 'sql = "SELECT 1"'), "needs either command or sql"),
        (('["/usr/local/bin/vpn", "up"]', '"vpn up"'), "command must be a list of a program"),
        (('["/usr/local/bin/vpn", "up"]', "[]"), "command must be a list of a program"),
        (('["/usr/local/bin/vpn", "up"]', '["vpn", "up"]'), "must begin with the absolute path"),
        (('when = "before"', 'when = "earlier"'), "when must be one of before, before-copy"),
        (('when = "before"', ""), "when must be one of before, before-copy"),
        (('when = "before"', 'when = "before"\non = "success"'), "on is for after hooks"),
        (('on = "failure"', 'on_failure = "refuse"'), "after nothing can be refused"),
        (('on = "failure"', 'on = "end"'), "on must be one of always, success, failure"),
        (('["backup", "restore"]', '["backups"]'), "unknown operation backups; there are backup"),
        (('["backup", "restore"]', "[]"), "operations must be a list of names"),
        (('["remote"]', '"remote"'), "groups must be a list of names"),
        (('instances = ["orders-2"]', 'operations = ["verify"]'), "before-copy is of backups only"),
        (('"STOP SLAVE SQL_THREAD;"', '" ; "'), "sql must be a statement"),
        (('"STOP SLAVE SQL_THREAD;"', '"LOCK TABLES a READ"'), f"sql: {ENDS_WITH_SESSION}"),
        (('instances = ["orders-2"]', 'user = "root"'), "user: not with sql"),
        (('GATE = "east"', "GATE = 7"), "environment must be a table of names and texts"),
        (('GATE = "east"', 'MOORING_JOB = "7"'), "MOORING_JOB is set by Mooring"),
        (('GATE = "east"', 'PATH = "/home/vpn/bin"'), "PATH would act on what starts the command"),
        (('GATE = "east"', 'LD_PRELOAD = "/a.so"'), "LD_PRELOAD would act on what starts"),
        (('user = "vpn"', 'folder = "tmp"'), "folder must be an absolute path"),
        (('user = "vpn"', 'confined = "yes"'), "confined must be true or false"),
        (('user = "vpn"', 'user = ""'), "user must be a text"),
    ],
)
def test_what_is_odd_is_refused_in_words(
    tmp_path: Path, change: tuple[str, str], problem: str
) -> None:
    assert change[0] in GOOD
    with pytest.raises(BadInput) as raised:
        load_hooks(hooks_file(tmp_path, GOOD.replace(*change)))
    assert problem in str(raised.value)
    assert str(tmp_path / "hooks.toml") in str(raised.value)


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_names_no_command(tmp_path: Path, mode: int) -> None:
    file = hooks_file(tmp_path, GOOD)
    file.chmod(mode)
    with pytest.raises(BadInput, match="could be changed by others"):
        load_hooks(file)


def test_a_file_of_another_user_names_no_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = hooks_file(tmp_path, GOOD)
    if os.geteuid() == 0:
        os.chown(file, 65534, 65534)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 65534)
    with pytest.raises(BadInput, match="could be changed by others"):
        load_hooks(file)


def test_a_file_in_a_folder_that_others_may_write_names_no_command(tmp_path: Path) -> None:
    file = hooks_file(tmp_path, GOOD)
    tmp_path.chmod(0o777)
    with pytest.raises(BadInput, match="could be replaced by others"):
        load_hooks(file)
    # As /tmp is: each may remove its own files only.
    tmp_path.chmod(0o1777)
    assert len(load_hooks(file)) == 3


def test_a_link_names_no_command(tmp_path: Path) -> None:
    file = hooks_file(tmp_path, GOOD)
    link = tmp_path / "link.toml"
    link.symlink_to(file)
    with pytest.raises(BadInput, match="is a symbolic link") as raised:
        load_hooks(link)
    assert "MOORING_HOOKS_FILE" in raised.value.hint


def test_a_pipe_or_a_folder_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for odd in (tmp_path / "pipe", tmp_path):
        with pytest.raises(BadInput, match="is not a file"):
            load_hooks(odd)


def test_a_program_that_others_may_write_is_not_run(tmp_path: Path) -> None:
    program = tmp_path / "program"
    with pytest.raises(BadInput, match="cannot be run: No such file"):
        check_program(program)
    program.write_text("#!/bin/sh\n")
    with pytest.raises(BadInput, match="is not an executable file"):
        check_program(program)
    program.chmod(0o777)
    with pytest.raises(BadInput, match="could be changed by others"):
        check_program(program)
    program.chmod(0o755)
    check_program(program)


@pytest.mark.parametrize("open_folder", ["", "bin", "bin/versions"])
def test_a_program_that_others_may_replace_is_not_run(tmp_path: Path, open_folder: str) -> None:
    # The folder above, the one above that, and the one that a link leads through.
    (tmp_path / "bin" / "versions").mkdir(parents=True)
    program = tmp_path / "bin" / "versions" / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    link = tmp_path / "program"
    link.symlink_to(program)
    check_program(link)
    (tmp_path / open_folder).chmod(0o777)
    with pytest.raises(BadInput, match="could be replaced by others") as raised:
        check_program(link)
    assert str(tmp_path / open_folder) in str(raised.value)
    (tmp_path / open_folder).chmod(0o1777)
    check_program(link)


@pytest.mark.parametrize("above", [0, 1])
def test_a_file_below_a_folder_that_others_may_write_names_no_command(
    tmp_path: Path, above: int
) -> None:
    folder = tmp_path / "state" / "hooks"
    folder.mkdir(parents=True)
    file = hooks_file(folder, GOOD)
    file.parents[above].chmod(0o777)
    with pytest.raises(BadInput, match="could be replaced by others"):
        load_hooks(file)


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("SET SESSION sql_log_bin = 0", ENDS_WITH_SESSION),
        ("set @x = 1", ENDS_WITH_SESSION),
        ("SET GLOBAL innodb_io_capacity = 100", ""),
        ("SET @@GLOBAL.innodb_io_capacity = 100", ""),
        ("SET PERSIST innodb_io_capacity = 100", ""),
        ("/* for the copy */ FLUSH TABLES WITH READ LOCK", ENDS_WITH_SESSION),
        ("-- first\nFLUSH TABLES a, b FOR EXPORT", ENDS_WITH_SESSION),
        ("FLUSH TABLES", ""),
        ("FLUSH BINARY LOGS", ""),
        ("SELECT GET_LOCK('backup', 5)", ENDS_WITH_SESSION),
        ("LOCK INSTANCE FOR BACKUP", ENDS_WITH_SESSION),
        ("BACKUP STAGE START", ENDS_WITH_SESSION),
        ("START TRANSACTION", ENDS_WITH_SESSION),
        ("START SLAVE SQL_THREAD", ""),
        ("STOP REPLICA SQL_THREAD FOR CHANNEL 'a'", ""),
        ("shutdown", ENDS_SERVER),
        ("CALL app.pause()", ""),
        ("UPDATE settings SET paused = 1", ""),
    ],
)
def test_what_ends_with_its_session_is_no_hook(statement: str, why: str) -> None:
    assert why_useless(statement) == why


@pytest.mark.parametrize(
    ("line", "belongs"),
    [
        ("", True),
        ('instances = ["orders-1", "orders-2"]', True),
        ('instances = ["orders-2"]', False),
        ('groups = ["shop"]', True),
        ('groups = ["shop"]\ninstances = ["orders-2"]', True),
        ('tags = ["gold"]', False),
        ('schedules = ["nightly"]', True),
        ('schedules = ["weekly"]', False),
        ('schedules = ["nightly"]\ntags = ["gold"]', False),
        ('operations = ["restore"]', False),
        ('operations = ["restore", "backup"]', True),
    ],
)
def test_which_jobs_a_hook_belongs_to(tmp_path: Path, line: str, belongs: bool) -> None:
    hook = one_hook(tmp_path, f'[a]\nwhen = "after"\nsql = "DO 1"\n{line}\n')
    subject = HookSubject("orders-1", Operation.BACKUP, "nightly", frozenset({"shop"}))
    assert applies(hook.scope, subject) is belongs


@pytest.mark.parametrize(
    ("on", "results"),
    [
        ("always", {"succeeded", "failed", "refused", "cancelled", "lost"}),
        ("success", {"succeeded"}),
        ("failure", {"failed", "refused", "cancelled", "lost"}),
    ],
)
def test_after_which_results_a_hook_runs(tmp_path: Path, on: str, results: set[str]) -> None:
    hook = one_hook(tmp_path, f'[a]\nwhen = "after"\nsql = "DO 1"\non = "{on}"\n')
    ends = set(JobStatus) - {JobStatus.PENDING, JobStatus.RUNNING}
    assert {end.value for end in ends if hook.runs_after(end)} == results
