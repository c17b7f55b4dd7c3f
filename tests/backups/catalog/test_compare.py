"""Two stored backups compared: within a chain by blocks, across chains as far as known."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from backups.archive.blocks.hashing import BLOCK_BYTES
from backups.catalog.compare import compare_copies
from backups.catalog.comparison import Comparison
from backups.definitions.document import PATH
from backups.models import Backup, Instance, Repository
from tests.backups.chains.test_chain_jobs import take
from tests.backups.defined import document, table
from tests.backups.fake_engine import FakeEngine
from tests.commands import run_command

pytestmark = pytest.mark.django_db(transaction=True)


def block(letter: bytes) -> bytes:
    return letter * BLOCK_BYTES


@pytest.fixture
def pair(
    orders: Instance, main: Repository, engine: FakeEngine, settings: Settings
) -> tuple[Backup, Backup]:
    """A full backup and an incremental one."""
    settings.DEFINITIONS_SECONDS = 0
    engine.files |= {
        "shop/orders.ibd": block(b"a") + block(b"b") + bytes(BLOCK_BYTES) + block(b"c"),
        "shop/still.ibd": block(b"s") + bytes(9 * BLOCK_BYTES) + b"end",
        "shop/gone.ibd": block(b"g"),
        "shop/parts#P#p0.ibd": block(b"0"),
        PATH: document(map(table, ("orders", "still", "gone", "parts", "visits"))),
    }
    full = take(orders, "full")
    del engine.files["shop/gone.ibd"]
    engine.files |= {
        "shop/orders.ibd": block(b"a") + block(b"B") + block(b"z") + block(b"c") + block(b"d"),
        "shop/parts#P#p1.ibd": block(b"1") * 2,
        "shop/fresh.ibd": block(b"f"),
        PATH: document(map(table, ("orders", "still", "fresh", "parts", "visits"))),
    }
    return full, take(orders, "incremental")


def compared(before: Backup, after: Backup) -> Comparison:
    return compare_copies(before.copies.get(), after.copies.get())


def hows(found: Comparison) -> dict[str, tuple[str, int | None]]:
    return {each.name: (each.how, each.changed_blocks) for each in found.tables}


EXPECTED = {
    "orders": ("changed", 3),
    "parts": ("changed", 2),
    "fresh": ("added", 1),
    "gone": ("removed", 1),
    "still": ("unchanged", 0),
    "visits": ("unchanged", 0),
}


def test_blocks_of_a_chain(pair: tuple[Backup, Backup]) -> None:
    found = compared(*pair)
    assert hows(found) == EXPECTED
    assert found.unknown_because == []


def test_the_other_way_round(pair: tuple[Backup, Backup]) -> None:
    turned = {"fresh": ("removed", 1), "gone": ("added", 1)}
    assert hows(compared(*reversed(pair))) == EXPECTED | turned


def test_of_two_chains_only_sizes_and_definitions_are_known(
    pair: tuple[Backup, Backup], orders: Instance
) -> None:
    found = compared(pair[1], take(orders, "full"))
    assert set(hows(found).values()) == {("unknown", None)}
    assert {each.definition for each in found.tables} == {"unchanged"}
    assert "one chain" in found.unknown_because[0]


def test_without_definitions(
    orders: Instance, main: Repository, engine: FakeEngine, settings: Settings
) -> None:
    settings.DEFINITIONS_SECONDS = 0
    found = compared(take(orders, "full"), take(orders, "incremental"))
    assert hows(found) == {"orders": ("unknown", 0), "visits": ("unknown", 0)}
    assert "without them" in found.unknown_because[0]


def test_no_more_is_read_than_a_limit(pair: tuple[Backup, Backup]) -> None:
    copies = [backup.copies.get() for backup in pair]
    found = compare_copies(*copies, most_table_bytes=10, most_definition_bytes=10)
    assert {each.changed_blocks for each in found.tables} == {None}
    assert {each.definition for each in found.tables} == {"unknown"}
    assert len(found.unknown_because) == 3


def test_comparebackups(pair: tuple[Backup, Backup]) -> None:
    labels = [backup.label for backup in pair]
    ended = run_command("comparebackups", *labels, "--json")
    fields = ended.json()
    assert fields["counts"]["changed"] == 2
    assert fields["tables"][0] == {
        "schema": "shop", "name": "orders", "how": "changed", "definition": "unchanged",
        "bytes_before": 4 * BLOCK_BYTES + 10, "bytes_after": 5 * BLOCK_BYTES + 10,
        "changed_blocks": 3, "changed_bytes": 3 * BLOCK_BYTES, "diff": [],
    }  # fmt: skip
    shown = run_command("comparebackups", *labels).stdout
    assert "shop.fresh" in shown
    assert "shop.still" not in shown
    assert "shop.still" in run_command("comparebackups", *labels, "--all").stdout
    assert run_command("comparebackups", labels[0], "nothing").exit_code == 2


def test_a_partial_backup_says_so(pair: tuple[Backup, Backup]) -> None:
    full, later = pair
    later.choice = {"tables": ["shop.orders"]}
    later.save(update_fields=["choice"])
    found = compared(full, later)
    assert hows(found)["gone"][0] == "unknown"
    assert f"{later.label} is a partial backup" in "; ".join(found.unknown_because)
