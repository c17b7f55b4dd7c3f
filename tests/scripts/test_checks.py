"""Which parts does ./mooring test have, and what is left out by --fast?"""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import checks
from scripts.parts import Ended
from scripts.processes import ROOT


def test_fast_needs_no_live_server_no_browser_and_no_postgresql() -> None:
    (part,) = checks.fast_tests(["-x"])
    words = list(part.argv)
    assert words[words.index("-m", 1) + 1] == "not live"
    assert words[words.index("--ignore") + 1] == "tests/browser"
    assert words[-1] == "-x"
    assert "scripts.private_postgres" not in words
    assert part.environment["PYTHONDONTWRITEBYTECODE"] == ""


def test_whoever_starts_a_server_is_marked_live() -> None:
    modules = sorted((ROOT / "tests" / "live").glob("test_*.py"))
    assert len(modules) > 50
    # Without the mark its servers would be started by --fast, and on PostgreSQL again.
    assert [each.name for each in modules if "pytest.mark.live" not in each.read_text()] == []


def test_servers_that_are_there_are_not_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, program in (
        ("MOORING_TEST_MYSQL", "bin/mysqld"),
        ("MOORING_TEST_MYSQL57", "server/mysqld"),
        ("MOORING_TEST_MARIADB_NEWER", "bin/mariadbd"),
        ("MOORING_TEST_MARIADB_PLUGINS", "ha_rocksdb.so"),
        ("MOORING_TEST_CEPH", "usr/bin/radosgw"),
        ("MOORING_TEST_AZURITE", "version"),
        ("MOORING_TEST_MEDIA_PROGRAMS", "usr/lib/bacula/bpipe-fd.so"),
    ):
        monkeypatch.setenv(variable, str(tmp_path))
        (tmp_path / program).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / program).touch()
    names = [part.name for part in checks.all_tests([])]
    assert names == ["tests on SQLite, with real servers", "tests on PostgreSQL"]


def test_words_may_name_no_test_for_postgresql() -> None:
    *_, plain = checks.all_tests([])
    *_, chosen = checks.all_tests(["tests/test_words.py"])
    assert "not live and database" in chosen.argv
    assert not Ended(chosen, checks.NO_TESTS, 0, 0).failed
    assert Ended(plain, checks.NO_TESTS, 0, 0).failed
    assert Ended(chosen, 1, 0, 0).failed


def test_servers_that_are_missing_are_fetched_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOORING_TEST_MYSQL", str(tmp_path / "mysql"))
    monkeypatch.setenv("MOORING_TEST_MYSQL57", str(tmp_path / "mysql57"))
    monkeypatch.setenv("MOORING_TEST_MARIADB_NEWER", str(tmp_path / "newer"))
    monkeypatch.setenv("MOORING_TEST_MARIADB_PLUGINS", str(tmp_path / "plugins"))
    monkeypatch.setenv("MOORING_TEST_CEPH", str(tmp_path / "ceph"))
    monkeypatch.setenv("MOORING_TEST_AZURITE", str(tmp_path / "azurite"))
    monkeypatch.setenv("MOORING_TEST_MEDIA_PROGRAMS", str(tmp_path / "media"))
    parts = list(checks.all_tests([]))
    assert [part.name for part in parts[:7]] == [
        "a MySQL to test with",
        "a MySQL to refuse",
        "a newer MariaDB",
        "MariaDB's plugins",
        "an object store",
        "an emulator of Azure",
        "programs for media",
    ]
    assert parts[7].environment["MOORING_TEST_MYSQL"] == str(tmp_path / "mysql")
    assert parts[7].environment["MOORING_TEST_MARIADB_PLUGINS"] == str(tmp_path / "plugins")


def test_our_own_plugins_follow_the_installed_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MOORING_TEST_MARIADB_PLUGINS", raising=False)
    scripts = [part.argv[1] for part in checks.all_tests([])]
    assert "scripts/mariadb_plugins.sh" in scripts


def test_every_shell_script_is_checked() -> None:
    found = set(checks.shell_scripts())
    assert {"mooring", ".ci/run"} <= found
    assert any(name.endswith("console.sh") for name in found)
