"""What does the end of an SFTP session mean? By what ssh prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from backups.exceptions import RunnerError
from backups.outbound.addresses import AddressRefused
from backups.runners.sftp import SftpDialer
from backups.runners.ssh import SshTarget

SHOWN = "debug1: Server host key: ssh-ed25519 SHA256:Abc0123456789"


@pytest.fixture
def dialer(tmp_path: Path) -> SftpDialer:
    key = tmp_path / "key"
    key.touch(0o600)
    return SftpDialer(SshTarget("nas", "db", key, tmp_path / "known"), lambda host, port: None)


@pytest.mark.parametrize(
    ("lines", "words", "hint", "transient"),
    [
        (
            [
                SHOWN,
                "@@@@@@@@@@@@@@@@@@",
                "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @",
                "Host key verification failed.",
            ],
            "its host key has changed: it now shows ssh-ed25519 SHA256:Abc0123456789",
            "Find out why the key of nas has changed",
            False,
        ),
        (
            [
                SHOWN,
                "No ED25519 host key is known for nas and you have requested strict checking.",
                "Host key verification failed.",
            ],
            "its host key is unknown: it shows ssh-ed25519 SHA256:Abc0123456789",
            "Check the host's key with its owner",
            False,
        ),
        (["db@nas: Permission denied (publickey)."], "Permission denied", "authorized_keys", False),
        (
            ["subsystem request failed on channel 0"],
            "subsystem request failed",
            "Enable the subsystem sftp in sshd_config of nas.",
            False,
        ),
        (
            ["ssh: connect to host nas port 22: Connection refused"],
            "Connection refused",
            "Check the port",
            True,
        ),
        (["Connection closed by 192.0.2.1 port 22"], "Connection closed", "Try the conn", True),
        ([SHOWN, "debug1: Entering interactive session."], "was cut", "Try the connection", True),
        ([], "the connection was cut", "Try the connection", True),
    ],
)
def test_an_end_is_explained(
    dialer: SftpDialer, lines: list[str], words: str, hint: str, transient: bool
) -> None:
    error, again = dialer.failure(lines)
    assert str(error).startswith("cannot reach nas: ")
    assert words in str(error)
    assert hint in error.hint
    assert again is transient


def test_a_key_that_others_can_read_is_not_used(dialer: SftpDialer) -> None:
    dialer.target.identity_file.chmod(0o640)
    with pytest.raises(RunnerError, match="has mode 0640: others can read it") as raised:
        dialer.dial()
    assert raised.value.hint == f"Run: chmod 600 {dialer.target.identity_file}"


def test_a_key_that_is_not_there_is_named(dialer: SftpDialer) -> None:
    dialer.target.identity_file.unlink()
    with pytest.raises(RunnerError, match="cannot be read: No such file"):
        dialer.dial()


def test_a_host_that_may_not_be_connected_to_is_not_dialed(dialer: SftpDialer) -> None:
    def refuse(host: str, port: int) -> None:
        raise AddressRefused("10.0.0.1 is not a public address")

    with pytest.raises(RunnerError, match=r"cannot reach nas: .* is not a public address"):
        SftpDialer(dialer.target, refuse).dial()
