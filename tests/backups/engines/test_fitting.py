"""Tests of what is asked of this host before a MariaDB backup is restored on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from backups.engines.base import CopyFacts, HostKeys
from backups.engines.mariadb_backup.fitting import check_restore
from backups.engines.mariadb_backup.metadata import MariadbDetails
from backups.exceptions import Refused

BACKUP = CopyFacts(server_version="10.11.14-MariaDB-log", tool_version="10.11.14")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with programs of one's own."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    program(tmp_path, "mariadb-backup", "10.11.14")
    program(tmp_path, "mariadbd", "10.11.16")
    return tmp_path


def program(folder: Path, name: str, version: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\necho '{name} based on MariaDB server {version}-MariaDB' >&2\n")
    file.chmod(0o755)


def test_tool_and_server_that_fit_are_named(host: Path) -> None:
    tool = "mariadb-backup 10.11.14 fits the tool that took the backup, 10.11.14"
    server = "the server 10.11.16 fits the server that was backed up, 10.11.14"
    assert check_restore(BACKUP, starts=False) == tool
    assert check_restore(BACKUP, starts=True) == f"{tool}; {server}"


@pytest.mark.parametrize("version", ["11.4.2", "10.11.13"])
def test_a_tool_that_cannot_prepare_it_is_refused_with_a_way_out(host: Path, version: str) -> None:
    program(host, "mariadb-backup", version)
    with pytest.raises(Refused, match=f"mariadb-backup is {version}") as refused:
        check_restore(BACKUP, starts=False)
    assert refused.value.hint.endswith("or restore with --raw.")


def test_a_server_counts_only_where_it_is_started(host: Path) -> None:
    program(host, "mariadbd", "11.8.1")
    check_restore(BACKUP, starts=False)
    with pytest.raises(Refused, match=r"the server is 11\.8\.1"):
        check_restore(BACKUP, starts=True)


def test_a_tool_that_does_not_answer_is_refused(host: Path) -> None:
    (host / "mariadb-backup").write_text("#!/bin/sh\nexit 3\n")
    with pytest.raises(Refused, match=r"ended with 3") as refused:
        check_restore(BACKUP, starts=False)
    assert refused.value.hint == "Install mariadb-backup on this host, or restore with --raw."


def test_a_backup_that_tells_no_version_is_let_through_as_unknown(host: Path) -> None:
    assert "has no version" in check_restore(CopyFacts(), starts=True)


@pytest.mark.parametrize(
    ("plugins", "why"),
    [
        ("file_key_management", "this host names no file with their keys"),
        ("provider_lz4", "needs the plugin provider_lz4, and there is no"),
        ("hashicorp_key_management", "keys are in hashicorp_key_management"),
    ],
)
def test_what_this_host_lacks_is_refused_before_a_byte_is_read(
    host: Path, plugins: str, why: str
) -> None:
    (host / "file_key_management.so").touch()
    backup = replace(BACKUP, details=MariadbDetails(plugins=plugins))
    keys = HostKeys(plugin_folder=str(host))
    with pytest.raises(Refused, match=why):
        check_restore(backup, starts=False, keys=keys)
    (host / "keys").touch()
    named = HostKeys(plugin_folder=str(host), key_file=str(host / "keys"))
    needed = MariadbDetails(plugins="file_key_management")
    check_restore(replace(BACKUP, details=needed), starts=False, keys=named)
