"""Commands on another host: a private sshd plays it."""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from backups.exceptions import RunnerError
from backups.runners import SshRunner, SshTarget
from tests.live.sshd import private_sshd

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshTarget]:
    with private_sshd(tmp_path_factory.mktemp("sshd")) as target:
        yield target


@pytest.fixture
def runner(target: SshTarget) -> SshRunner:
    return SshRunner(target)


def wait_until(happened: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)


def test_a_secret_file_is_private_and_gone_afterwards(runner: SshRunner) -> None:
    secrets = {"login": "pa$$'w\"ord\n", "other": "two"}
    argv = ["sh", "-c", 'a=$1 b=$2; stat -c "%a %n" $a; cat $a $b', "sh", "{login}", "{other}"]
    with runner.start(argv, secret_files=secrets) as command:
        head, _, content = command.stdout.read().decode().partition("\n")
        assert command.wait() == 0
    mode, path = head.split()
    assert (mode, content) == ("600", "pa$$'w\"ord\ntwo")
    assert not Path(path).parent.exists()


def words_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def test_no_secret_is_in_any_argv(runner: SshRunner) -> None:
    with runner.start(["sh", "-c", "echo; read x"], secret_files={"login": "Tr0ub4dor"}) as command:
        command.stdout.read(1)
        assert not [p for p in psutil.process_iter() if "Tr0ub4dor" in words_of(p)]


@pytest.mark.parametrize("end", ["stop", "kill -9"])
def test_nothing_is_left_when_our_side_ends(runner: SshRunner, end: str) -> None:
    # It ignores the first request, has a child, and says where its secret is.
    script = "trap '' TERM; sleep 1000 & echo $$ {login}; wait; sleep 1000"
    argv = ["sh", "-c", script.replace("{login}", '"$1"'), "sh", "{login}"]
    with runner.start(argv, secret_files={"login": "x"}) as command:
        pid, secret = command.stdout.read(1000).decode().split()
        far = [psutil.Process(int(pid)), *psutil.Process(int(pid)).children()]
        assert len(far) == 2
        if end == "stop":
            command.stop()
        else:
            os.kill(command.process[0], signal.SIGKILL)
        wait_until(lambda: not any(each.is_running() for each in far))
        wait_until(lambda: not Path(secret).parent.exists())


def test_an_unknown_host_key_is_refused(target: SshTarget, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.touch()
    with pytest.raises(RunnerError, match=r"cannot reach 127\.0\.0\.1: ") as caught:
        SshRunner(dataclasses.replace(target, known_hosts=known)).run(["true"])
    assert f"ssh-keyscan -p {target.port} 127.0.0.1 >> {known}" in caught.value.hint
    assert known.read_bytes() == b""


def test_a_wrong_user_key_says_where_the_right_one_belongs(
    target: SshTarget, tmp_path: Path
) -> None:
    with pytest.raises(RunnerError, match="Permission denied") as caught:
        SshRunner(dataclasses.replace(target, identity_file=tmp_path / "none")).run(["true"])
    assert "authorized_keys of root" in caught.value.hint


def test_nobody_listening_is_reported(target: SshTarget) -> None:
    with pytest.raises(RunnerError, match="Connection refused"):
        SshRunner(dataclasses.replace(target, port=1)).run(["true"])


def test_a_missing_program_is_named_with_its_host(runner: SshRunner) -> None:
    with pytest.raises(RunnerError, match=r"no-such could not be started on 127\.0\.0\.1"):
        runner.run(["no-such"])


def test_a_command_that_hangs_is_stopped(runner: SshRunner) -> None:
    with pytest.raises(RunnerError, match=r"did not end within 0\.5 s"):
        runner.run(["sleep", "1000"], timeout_seconds=0.5)


@pytest.mark.parametrize("field", ["host", "user"])
@pytest.mark.parametrize("value", ["", "-oProxyCommand=id", "a b", "a\nb"])
def test_a_name_that_ssh_could_misread_is_refused(
    target: SshTarget, field: str, value: str
) -> None:
    with pytest.raises(RunnerError, match=f"not a usable ssh {field}"):
        dataclasses.replace(target, **{field: value})  # type: ignore[arg-type]
