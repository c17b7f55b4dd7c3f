"""Is a program noticed that a test runs and that ./mooring would not install?"""

from __future__ import annotations

import subprocess

import pytest

from tests.programs import ProgramUnknown, listed, unlisted


def test_the_lists_were_found() -> None:
    assert {"mariadbd", "redis-server", "sysbench", "zstd", "sshd"} <= listed()


@pytest.mark.parametrize(
    "argv", [("sysbench", "--version"), ("setpriv", "--pdeathsig", "KILL", "--", "zstd"), ("ls",)]
)
def test_what_a_package_brings_may_run(argv: tuple[str, ...]) -> None:
    assert unlisted(argv) == []


@pytest.mark.parametrize("argv", [("apt-get", "update"), ("setpriv", "--", "apt-get")])
def test_any_other_program_may_not(argv: tuple[str, ...]) -> None:
    assert unlisted(argv) == ["apt-get"]
    with pytest.raises(ProgramUnknown, match="apt-get is in no list"):
        subprocess.run(argv, check=False)


def test_what_is_not_there_is_left_to_fail_by_itself() -> None:
    assert unlisted(["no-such-program"]) == []
