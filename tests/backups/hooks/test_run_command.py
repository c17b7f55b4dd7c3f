"""Is a hook's command ended with all it started, whatever it does? With real processes."""

from __future__ import annotations

import os
import pwd
import time
from pathlib import Path

import psutil
import pytest
from pytest_django import Settings

from backups.exceptions import CancelRequested
from backups.hooks.definition import Hook, HookResult
from backups.hooks.output_lines import LONGEST_LINE, MOST_LINES
from backups.hooks.run_command import run_command
from backups.runners.groups import list_members
from backups.runners.sandbox import sandbox_works
from tests.backups.hooks.made import ANOTHER, Watched, one_hook, shell_hook


def hook_of(folder: Path, script: str, *more: str) -> Hook:
    return one_hook(folder, shell_hook("probe", "before", script, *more))


def run(folder: Path, script: str, *more: str) -> tuple[HookResult, list[str]]:
    watch = Watched()
    return run_command(hook_of(folder, script, *more), {}, watch), watch.lines


def test_an_exit_code_is_all_that_counts(tmp_path: Path) -> None:
    ended, lines = run(tmp_path, "echo up; echo careful >&2")
    assert ended == HookResult(exit_code=0, found="exit code 0")
    assert sorted(lines) == ["careful", "up"]
    ended, _ = run(tmp_path, "echo no route; exit 3")
    assert ended == HookResult("exit code 3: no route", 3)
    ended, _ = run(tmp_path, "kill -9 $$")
    assert ended == HookResult("ended by signal 9")


def test_what_hangs_is_killed_with_all_it_started(tmp_path: Path) -> None:
    watch = Watched()
    # Neither the shell nor its child ends by being asked to.
    script = "trap '' TERM; echo waiting; sleep 600 & wait; sleep 600"
    began = time.monotonic()
    ended = run_command(hook_of(tmp_path, script, "seconds = 1"), {}, watch)
    assert ended == HookResult("did not end within 1 s and was stopped: waiting")
    assert time.monotonic() - began < 30
    assert list_members(*watch.processes[0]) == []


def test_a_child_that_would_outlive_it_is_ended(tmp_path: Path) -> None:
    # It holds the output open, too: nobody waits for that.
    watch = Watched()
    ended = run_command(hook_of(tmp_path, "sleep 600 & echo $!"), {}, watch)
    assert ended.problem == ""
    child = int(watch.lines[0])
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie"


def test_a_flood_is_read_and_not_kept(tmp_path: Path) -> None:
    ended, lines = run(tmp_path, "head -c 30000000 /dev/zero | tr '\\0' x; yes | head -n 200000")
    assert ended.exit_code == 0
    assert lines[0] == "x" * LONGEST_LINE
    assert len(lines) == MOST_LINES + 1
    # The first y ends the long line.
    assert lines[-1] == f"{200_000 - MOST_LINES} further lines of output left out"


def test_a_flood_without_an_end_is_ended(tmp_path: Path) -> None:
    ended, lines = run(tmp_path, "yes >&2", "seconds = 1")
    assert ended == HookResult("did not end within 1 s and was stopped: y")
    assert len(lines) == MOST_LINES + 1


def test_a_cancel_ends_it(tmp_path: Path) -> None:
    watch = Watched(stop=CancelRequested())
    with pytest.raises(CancelRequested):
        run_command(hook_of(tmp_path, "echo begun; sleep 600"), {}, watch)
    assert list_members(*watch.processes[0]) == []


def test_it_runs_as_its_user_without_our_groups(tmp_path: Path) -> None:
    text = shell_hook("probe", "before", "id -u; id -G; grep CapEff /proc/self/status")
    hook = one_hook(tmp_path, text.replace(f'user = "{hook_user(text)}"', f'user = "{ANOTHER}"'))
    watch = Watched()
    assert run_command(hook, {}, watch).exit_code == 0
    user = pwd.getpwnam(ANOTHER)
    assert watch.lines[0] == str(user.pw_uid)
    if os.geteuid() == 0:
        assert watch.lines[1] == str(user.pw_gid)
        assert watch.lines[2].split() == ["CapEff:", "0" * 16]


def hook_user(text: str) -> str:
    return text.partition('user = "')[2].partition('"')[0]


def test_without_a_user_it_runs_without_rights(tmp_path: Path, settings: Settings) -> None:
    settings.RUN_USER = ANOTHER
    text = '[probe]\nwhen = "before"\ncommand = ["/bin/sh", "-c", "id -u"]\n'
    watch = Watched()
    run_command(one_hook(tmp_path, text), {}, watch)
    assert watch.lines == [str(pwd.getpwnam(ANOTHER).pw_uid)]
    settings.RUN_USER = "nobody-of-that-name"
    ended = run_command(one_hook(tmp_path, text), {}, Watched())
    if os.geteuid() == 0:
        assert ended.problem == "could not be started: there is no user nobody-of-that-name"


def test_it_gets_named_variables_and_nothing_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOORING_SECRET_KEY", "not for hooks")
    watch = Watched()
    run_command(hook_of(tmp_path, "env; pwd"), {"MOORING_INSTANCE": "orders-1"}, watch)
    names = {line.partition("=")[0] for line in watch.lines[:-1]}
    assert names - {"TZ", "TMPDIR"} == {"PATH", "LANG", "HOME", "PWD", "MOORING_INSTANCE"}
    assert watch.lines[-1] == "/"


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    text = '[probe]\nwhen = "before"\ncommand = ["/usr/local/bin/no-such-hook"]\n'
    ended = run_command(one_hook(tmp_path, text), {}, Watched())
    assert ended.problem.startswith("could not be started: /usr/local/bin/no-such-hook cannot be")


def test_confined_it_sees_no_network_and_no_other_files(tmp_path: Path) -> None:
    script = f"ls {tmp_path} && exit 1; cat /proc/net/dev"
    ended, lines = run(tmp_path, script, "confined = true")
    if sandbox_works():
        assert ended.exit_code == 0
        assert [line for line in lines if ":" in line and "lo:" not in line.split()[0]] == [
            line for line in lines if line.startswith("ls:")
        ]
    else:
        assert ended.problem == "could not be started: this host cannot confine a command"
