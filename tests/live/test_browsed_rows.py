"""Rows of one table of a backup, on both products: shortened, escaped, chosen by the key."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from backups.models import Activity, Repository, TableOpening
from backups.opened_tables.session import keep_open
from tests.commands import Ended, run_command
from tests.live.clone_jobs import make_main, taken
from tests.live.two_products import PRODUCTS, Product, serving
from tests.monitor.rows import make_user

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

SETUP = (
    "CREATE DATABASE shop",
    "CREATE TABLE shop.`users %s` (id BIGINT, part INT, name VARCHAR(300), password VARCHAR(90),"
    " photo LONGBLOB, made DATETIME(3), extra JSON, flags BIT(9), tags SET('a','b'),"
    " place POINT, twice INT GENERATED ALWAYS AS (part * 2) VIRTUAL, PRIMARY KEY (part, id))",
    "INSERT INTO shop.`users %s` (id, part, name, password, photo, made, extra, flags, tags, place)"
    " VALUES (1, 7, REPEAT('n', 250), 's3cret', REPEAT(0xFF, 100), '2026-03-02 01:02:03.5',"
    " '{\"a\": 1}', b'100000001', 'a,b', ST_GeomFromText('POINT(1 2)')),"
    " (2, 7, 'Ada\\nL', NULL, NULL, NULL, NULL, NULL, NULL, NULL),"
    " (3, 8, CONCAT('x', CHAR(27), '[2J'), '', '', NULL, NULL, NULL, '', NULL)",
    "CREATE TABLE shop.heap (id INT)",
    "INSERT INTO shop.heap VALUES (1), (2), (3)",
)
USERS = "shop.users %s"


@pytest.fixture(scope="module", params=PRODUCTS)
def product(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    with serving(request.param, tmp_path_factory.mktemp("rows") / "data") as product:
        product.run(*SETUP)
        yield product


@pytest.fixture
def label(product: Product, tmp_path: Path, settings: Settings) -> str:
    settings.DEFINITIONS_SECONDS = 60
    main: Repository = make_main(tmp_path, settings)
    assert main.pk
    product.add()
    return taken()


def browse(label: str, *words: str) -> Ended:
    return run_command("browsebackup", label, *words, "--rows", "--json")


def seen(label: str, *words: str) -> dict[str, Any]:
    """Return what is shown; it must be. Any: JSON."""
    fields = browse(label, *words).json()
    assert "error" not in fields, fields
    return fields


def test_rows(label: str, product: Product, settings: Settings) -> None:
    fields = seen(label, USERS)
    assert fields["columns"][:3] == ["id", "part", "name"]
    first, second, third = (
        dict(zip(fields["columns"], row, strict=True)) for row in fields["rows"]
    )
    assert first == {
        "id": "1", "part": "7", "name": "n" * 200 + "… (250 characters)",
        "password": "*** (6 bytes)", "photo": "0x" + "FF" * 64 + "… (100 bytes)",
        "made": "2026-03-02 01:02:03.500", "extra": '{"a": 1}', "flags": "0x101",
        "tags": "a,b", "place": first["place"], "twice": "14",
    }  # fmt: skip
    assert "bytes)" in str(first["place"])
    assert (second["name"], second["password"], second["photo"]) == ("Ada\\nL", None, None)
    assert (third["name"], third["photo"]) == ("x\\x1b[2J", "0x")
    assert (fields["more"], fields["cut"]) == (False, False)
    # By the key, and no more than the limit.
    some = seen(label, USERS, "--descending", "--limit", "1")
    assert ([row[0] for row in some["rows"]], some["more"]) == (["3"], True)
    where = ("--where-primary-key", "part = 7", "--where-primary-key", "id>1")
    assert [row[0] for row in seen(label, USERS, *where)["rows"]] == ["2"]
    refused = browse(label, USERS, "--where-primary-key", "name = x")
    assert (refused.exit_code, "part, id" in refused.json()["hint"]) == (2, True)
    assert len(seen(label, "shop.heap")["rows"]) == 3
    assert browse(label, "shop.none").exit_code == 2
    # Who looked is recorded, even where nothing was found.
    viewed = Activity.objects.filter(verb="viewed", name=label)
    assert viewed.count() == 6
    assert viewed.filter(details={"table": USERS}).count() == 4
    assert list(Path(settings.SCRATCH_FOLDER).iterdir()) == []


def until(row: TableOpening, owner: threading.Thread, done: Callable[[TableOpening], bool]) -> None:
    """Wait for what the owner of an open table writes."""
    while not done(TableOpening.objects.get(pk=row.pk)):
        assert owner.is_alive(), TableOpening.objects.get(pk=row.pk).problem
        owner.join(0.1)


def test_a_page_shows_rows_until_the_table_is_closed(
    label: str, client: Client, settings: Settings
) -> None:
    client.force_login(make_user("ada", "admin"))
    address = reverse("backup-table-open", args=[label])
    opened = client.post(address, {"schema": "shop", "table": "users %s"})
    row = TableOpening.objects.get()
    assert opened["Location"] == reverse("opening-detail", args=[row.pk])
    owner = threading.Thread(target=keep_open, args=[row.pk])
    owner.start()
    until(row, owner, lambda row: row.opened_at is not None)
    page = client.get(opened["Location"]).content.decode()
    assert "… (250 characters)" in page
    assert "s3cret" not in page
    chosen = {"column1": "part", "operator1": "=", "value1": "8", "order": "last", "limit": "20"}
    page = client.get(opened["Location"], chosen).content.decode()
    assert "x\\x1b[2J" in page
    assert "250 characters" not in page
    forged = client.get(opened["Location"], chosen | {"column1": "name"}).content.decode()
    assert "These rows cannot be shown" in forged
    client.post(reverse("opening-close", args=[row.pk]))
    owner.join(60)
    assert not owner.is_alive()
    assert TableOpening.objects.get().closed_at is not None
    assert list(Path(settings.SCRATCH_FOLDER).iterdir()) == []
    assert not Path(TableOpening.objects.get().socket).parent.exists()
