"""browsebackup: schemas, tables of one, one table."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from backups.definitions.document import PATH
from backups.models import Instance, Repository
from tests.backups.defined import document, table
from tests.backups.fake_engine import FakeEngine
from tests.backups.taking import take_backup
from tests.commands import run_command

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def label(orders: Instance, main: Repository, engine: FakeEngine, settings: Settings) -> str:
    settings.DEFINITIONS_SECONDS = 0
    engine.files |= {
        "shop/big.frm": b"a view",
        "shop/parts#P#p0.ibd": b"0",
        "shop/parts#P#p1#SP#a.ibd": b"1",
        "shop/parts#P#p1#SP#b.ibd": b"1",
        PATH: document([table("orders", options="COMMENT='a\x1b[2J' CONNECTION='m://u:pw@h'")]),
    }
    return take_backup(orders).label


def test_schemas(label: str) -> None:
    fields = run_command("browsebackup", label, "--json").json()
    (shop,) = fields["schemas"]
    assert (shop["name"], shop["tables"], shop["without_files"]) == ("shop", 3, 1)
    assert fields["other_files"] == 3
    assert "shop" in run_command("browsebackup", label).stdout


def test_tables_of_a_schema(label: str) -> None:
    fields = run_command("browsebackup", label, "shop", "--json").json()
    found = {each["name"]: (each["engine"], each["partitions"]) for each in fields["tables"]}
    assert found == {
        "orders": ("InnoDB", 0),
        "visits": ("MyISAM", 0),
        "parts": ("InnoDB", 2),
        "big": (None, 0),
    }
    assert "MyISAM" in run_command("browsebackup", label, "shop").stdout


def test_one_table(label: str) -> None:
    fields = run_command("browsebackup", label, "shop.orders", "--json").json()
    assert [each["path"] for each in fields["stored_files"]] == [
        "shop/orders.ibd",
        "shop/orders.frm",
    ]
    assert fields["definition"].startswith("CREATE TABLE `orders`")
    shown = run_command("browsebackup", label, "shop.orders").stdout
    assert "CREATE TABLE" in shown
    assert "\x1b" not in shown
    assert "pw" not in shown + fields["definition"]


def test_a_table_without_a_definition_says_so(label: str) -> None:
    ended = run_command("browsebackup", label, "shop.parts")
    assert "definition unknown: the server listed no such table" in ended.stdout
    fields = run_command("browsebackup", label, "shop.parts", "--json").json()
    assert [each["partition"] for each in fields["stored_files"]] == ["p0", "p1", "p1"]
    assert fields["definition"] is None


def test_what_is_not_there(label: str) -> None:
    ended = run_command("browsebackup", label, "shop.order")
    assert ended.exit_code == 2
    assert "holds no schema or table shop.order" in ended.stderr
    assert run_command("browsebackup", "nothing").exit_code == 2
