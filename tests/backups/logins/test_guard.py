"""Which server gets the password? A rogue one asks in every way there is, and records it."""

from __future__ import annotations

from pathlib import Path

import pytest

from backups.clone_protocol import CloneError, Endpoint
from backups.engines.base import Login
from backups.engines.mariadb_backup.command import (
    SETTINGS,
    backup_argv,
    build_settings,
    certificate_files,
)
from backups.exceptions import InstanceUnreachable
from backups.instances.connection import connect
from backups.logins.guard import PasswordWithheld, PeerTrust, refuse_unproven
from backups.logins.tls import Certificates, Tls
from backups.runners.local import LocalRunner
from tests.backups.certificates import issue
from tests.backups.rogue import Rogue

PASSWORD = "s3cret-pw"
QUESTIONS = [
    ("mysql_clear_password", "mysql_native_password"),
    ("mysql_clear_password", "caching_sha2_password"),
    ("dialog", "mysql_native_password"),
    ("mysql_old_password", "mysql_native_password"),
    ("sha256_password", "mysql_native_password"),
    ("sha256_password", "sha256_password"),
    ("caching_sha2_password", "caching_sha2_password"),
    ("caching_sha2_password", "mysql_native_password"),
    ("a_plugin_of_its_own", "mysql_native_password"),
]


@pytest.mark.parametrize(("plugin", "greeting"), QUESTIONS)
@pytest.mark.parametrize("tls", [Tls.PREFERRED, Tls.OFF])
def test_without_tls_no_server_gets_it(plugin: str, greeting: str, tls: Tls) -> None:
    with Rogue(plugin, greeting=greeting) as rogue:
        with pytest.raises(InstanceUnreachable):
            connect(Login("bk", PASSWORD, port=rogue.port, tls=tls))
        with pytest.raises(CloneError):
            Endpoint("bk", PASSWORD, port=rogue.port, tls=tls).connect()
    assert rogue.received
    assert not rogue.got(PASSWORD)


def test_the_error_names_the_question_and_what_to_do() -> None:
    with (
        Rogue("mysql_clear_password") as rogue,
        pytest.raises(InstanceUnreachable, match=r"asks for the password itself") as caught,
    ):
        connect(Login("bk", PASSWORD, port=rogue.port))
    assert "verify-ca" in caught.value.hint
    assert PASSWORD not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("plugin", ["mysql_clear_password", "dialog", "mysql_old_password"])
def test_tls_of_anybody_is_not_enough(plugin: str, tmp_path: Path) -> None:
    anybody = issue(tmp_path, "anybody")
    with (
        Rogue(plugin, certificate=(anybody.own, anybody.key)) as rogue,
        pytest.raises(InstanceUnreachable, match="the server asks for"),
    ):
        connect(Login("bk", PASSWORD, port=rogue.port, tls=Tls.REQUIRED))
    assert not rogue.got(PASSWORD)


@pytest.mark.parametrize("tls", [Tls.VERIFY_CA, Tls.VERIFY_IDENTITY])
def test_a_server_of_another_ca_gets_nothing(tls: Tls, tmp_path: Path) -> None:
    known, anybody = issue(tmp_path, "known"), issue(tmp_path, "anybody")
    files = Certificates(known.authority)
    with Rogue("mysql_clear_password", certificate=(anybody.own, anybody.key)) as rogue:
        with pytest.raises(InstanceUnreachable, match="certificate is not proven"):
            connect(Login("bk", PASSWORD, port=rogue.port, tls=tls, certificates=files))
        with pytest.raises(CloneError, match="certificate"):
            Endpoint("bk", PASSWORD, port=rogue.port, tls=tls, certificates=files).connect()
    assert rogue.received == []


def test_a_name_is_verified_where_that_is_required(tmp_path: Path) -> None:
    named = issue(tmp_path, "db-1.example.org")
    files = Certificates(named.authority)
    for tls, gets in ((Tls.VERIFY_IDENTITY, False), (Tls.VERIFY_CA, True)):
        with (
            Rogue("mysql_clear_password", certificate=(named.own, named.key)) as server,
            pytest.raises(InstanceUnreachable),
        ):
            connect(Login("bk", PASSWORD, port=server.port, tls=tls, certificates=files))
        assert server.got(PASSWORD) is gets


@pytest.mark.parametrize("plugin", ["mysql_clear_password", "caching_sha2_password"])
def test_no_server_without_tls_passes_for_a_verified_one(plugin: str, tmp_path: Path) -> None:
    files = Certificates(issue(tmp_path, "known").authority)
    with Rogue(plugin) as rogue:
        login = Login("bk", PASSWORD, port=rogue.port, tls=Tls.VERIFY_CA, certificates=files)
        with pytest.raises(InstanceUnreachable, match="TLS failed"):
            connect(login)
    assert rogue.received == []


def test_a_socket_in_a_folder_of_everybody_is_not_believed(tmp_path: Path) -> None:
    for mode, gets in ((0o777, False), (0o755, True)):
        folder = tmp_path / f"{mode:o}"
        folder.mkdir()
        folder.chmod(mode)
        with (
            Rogue("mysql_clear_password", socket_file=str(folder / "s")) as rogue,
            pytest.raises(InstanceUnreachable),
        ):
            connect(Login("bk", PASSWORD, socket=str(folder / "s")))
        assert rogue.got(PASSWORD) is gets


@pytest.mark.parametrize("plugin", ["sha256_password", "caching_sha2_password"])
@pytest.mark.parametrize("channel", [PeerTrust.UNVERIFIED_TLS, PeerTrust.PLAIN])
def test_sha2_beyond_this_host_needs_verified_tls(plugin: str, channel: PeerTrust) -> None:
    with pytest.raises(PasswordWithheld):
        refuse_unproven(plugin, channel)
    refuse_unproven(plugin, PeerTrust.VERIFIED)


@pytest.mark.parametrize("tls", [Tls.VERIFY_CA, Tls.VERIFY_IDENTITY])
def test_the_tool_verifies_too(tls: Tls, tmp_path: Path) -> None:
    known, anybody = issue(tmp_path, "known"), issue(tmp_path, "anybody")
    files = Certificates(known.authority)
    with Rogue("mysql_clear_password", certificate=(anybody.own, anybody.key)) as rogue:
        login = Login("bk", PASSWORD, port=rogue.port, tls=tls, certificates=files)
        assert "SSL connection error" in run_tool(login)
    assert rogue.received == []


def test_the_tool_goes_on_with_a_server_of_the_ca(tmp_path: Path) -> None:
    known = issue(tmp_path, "127.0.0.1")
    with Rogue("mysql_clear_password", certificate=(known.own, known.key)) as server:
        login = Login("bk", PASSWORD, port=server.port, tls=Tls.VERIFY_CA, certificates=known)
        assert "SSL connection error" not in run_tool(login)
    assert server.received


def test_the_tool_shows_our_certificate_and_no_name_of_a_file(tmp_path: Path) -> None:
    known = issue(tmp_path, "known")
    login = Login("bk", PASSWORD, tls=Tls.VERIFY_CA, certificates=known)
    argv, files = backup_argv(login, threads=1), certificate_files(login)
    assert [word for word in argv if word.startswith("--ssl")] == [
        "--ssl-ca={ca}",
        "--ssl-cert={cert}",
        "--ssl-key={key}",
        "--ssl-verify-server-cert",
    ]
    assert files["key"] == Path(known.key).read_text()


def run_tool(login: Login) -> str:
    settings = {SETTINGS: build_settings(login), **certificate_files(login)}
    with LocalRunner().start(backup_argv(login, threads=1), secret_files=settings) as command:
        output = command.stderr.read()
        assert command.wait() != 0
    return output.decode()
