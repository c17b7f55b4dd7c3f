"""Chosen tables that were renamed or dropped during a copy are found to be missing."""

from __future__ import annotations

from dataclasses import replace

from backups.instances.chosen_tables import ServerTable
from backups.stages.backup.chosen import missing_tables
from tests.backups.preflight.test_tables_check import CHOSEN


def test_a_table_without_its_definition_is_missing() -> None:
    tables = tuple(ServerTable("shop", name, f"shop/{name}") for name in ("orders", "people"))
    paths = ["ibdata1", "shop/orders.frm", "shop/orders.ibd", "shop/people.ibd"]
    assert missing_tables(replace(CHOSEN, tables=tables), paths) == ["shop.people"]
    assert missing_tables(CHOSEN, paths) == []
