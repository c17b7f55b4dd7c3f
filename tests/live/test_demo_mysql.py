"""The demo's MySQL: found where there is one, never a MariaDB under its old name, and filled."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scripts import demo_mysql, shop, shop_fill
from scripts.demo_mysql import DemoMysql, find_demo_mysqld
from scripts.proof import prove
from tests.live.mysql import program
from tests.live.test_shop import SMALL

pytestmark = pytest.mark.live

MARIADB = "mysqld  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)"
MYSQL = "mysqld  Ver 8.4.6 for Linux on x86_64 (MySQL Community Server - GPL)"
OLD = "mysqld  Ver 5.7.44 for Linux on x86_64 (MySQL Community Server (GPL))"


@pytest.mark.parametrize(("says", "is_found"), [(MARIADB, False), (MYSQL, True), (OLD, False)])
def test_what_a_program_says_decides_not_its_name(
    says: str, is_found: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mysqld = tmp_path / "mysqld"
    mysqld.write_text(f"#!/bin/sh\necho '{says}'\n")
    mysqld.chmod(0o755)
    monkeypatch.delenv("MOORING_MYSQLD", raising=False)
    monkeypatch.setattr(demo_mysql, "UNPACKED", tmp_path / "none")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert find_demo_mysqld(fetch=False) == (str(mysqld) if is_found else "")


def test_the_shop_is_the_same_in_mysql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, rows in SMALL.items():
        monkeypatch.setattr(shop_fill, name, rows)
    (tmp_path / "keys").mkdir()
    the_shop = DemoMysql(tmp_path, program("mysqld"))
    with the_shop.running(), the_shop.connect() as connection:
        left = iter(range(20))
        shop.write(connection, per_second=1000, wanted=lambda: next(left, None) is not None)
        assert [one.name for one in shop.check_invariants(connection) if not one.ok] == []
        expected = the_shop.row_sums
        # What stood in for the sequence engine is gone.
        with connection.cursor() as cursor:
            cursor.execute("SHOW TABLES FROM shop LIKE '%seq%'")
            assert cursor.fetchall() == ()
    assert expected["`shop`.`customers`"].rows == SMALL["CUSTOMERS"]
    proof = prove(
        the_shop.folder,
        password=the_shop.root_password,
        expected=expected,
        settings=the_shop.proof_settings,
    )
    assert proof.holds
