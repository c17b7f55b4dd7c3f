"""What every runner owes its callers. A test class derives from this and gives a ``runner``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backups.exceptions import RunnerError
from backups.runners import Runner
from backups.runners.groups import list_members


class RunnerContract:
    def test_both_outputs_and_the_exit_code_come_through(self, runner: Runner) -> None:
        done = runner.run(["sh", "-c", "echo out; echo err >&2; exit 3"])
        assert (done.exit_code, done.stdout, done.stderr) == (3, "out\n", "err\n")

    @pytest.mark.parametrize(
        "word", ["", " ", "a b", "$HOME", "`id`", "it's", '"', "a\nb", "{x}", "*"]
    )
    def test_a_word_arrives_as_it_is(self, runner: Runner, word: str) -> None:
        assert runner.run(["printf", "%s", word]).stdout == word

    def test_a_missing_program_is_named(self, runner: Runner) -> None:
        with pytest.raises(
            RunnerError, match=r"^no-such (is not installed|could not be started) on "
        ) as caught:
            runner.run(["no-such"])
        assert caught.value.hint

    def test_a_command_leaves_processor_and_disk_to_the_server(self, runner: Runner) -> None:
        own = os.getpriority(os.PRIO_PROCESS, 0)
        low = max(own, 10) if runner.kind == "local" else min(own + 10, 19)
        assert runner.run(["nice"]).stdout == f"{low}\n"
        assert runner.run(["ionice"]).stdout == "best-effort: prio 7\n"

    def test_a_command_that_hangs_is_stopped(self, runner: Runner) -> None:
        with pytest.raises(RunnerError, match="did not end within"):
            runner.run(["sleep", "1000"], timeout_seconds=0.5)

    def test_bytes_arrive_as_they_are(self, runner: Runner) -> None:
        with runner.start(["head", "-c", "3000000", "/dev/zero"], secret_files={}) as command:
            content = bytearray()
            while piece := command.stdout.read(1 << 16):
                content += piece
            assert content == bytes(3_000_000)
            assert command.wait() == 0

    def test_a_secret_is_in_a_private_file_and_gone_afterwards(self, runner: Runner) -> None:
        argv = ["sh", "-c", 'stat -L -c "%a $1" "$1"; cat "$1"', "sh", "{login}"]
        with runner.start(argv, secret_files={"login": "pa$$'w\"ord\n"}) as command:
            said = b""
            while piece := command.stdout.read(1000):
                said += piece
            assert command.wait() == 0
        head, _, content = said.decode().partition("\n")
        mode, path = head.split()
        assert (mode, content) == ("600", "pa$$'w\"ord\n")
        # A descriptor of this very process would be somebody else's file by now.
        assert path.startswith("/proc/self/") or not Path(path).exists()

    def test_leaving_ends_the_command_and_stop_may_be_repeated(self, runner: Runner) -> None:
        with runner.start(["sleep", "1000"], secret_files={}) as command:
            group, started = command.process
            assert list_members(group, started)
            command.stop()
            command.stop()
        assert not list_members(group, started)

    def test_an_end_of_the_command_itself_is_no_failure_of_the_runner(self, runner: Runner) -> None:
        assert runner.failure(["false"], 1, "the tool said no") is None
