"""Chosen tables that were renamed or dropped during a copy are found to be missing."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from backups.instances.chosen_tables import ServerTable
from backups.stages.backup.chosen import missing_tables, note_missing
from tests.backups.preflight.test_tables_check import CHOSEN


def test_a_table_without_its_definition_is_missing() -> None:
    tables = tuple(ServerTable("shop", name, f"shop/{name}") for name in ("orders", "people"))
    paths = ["ibdata1", "shop/orders.frm", "shop/orders.ibd", "shop/people.ibd"]
    assert missing_tables(replace(CHOSEN, tables=tables), paths) == ["shop.people"]
    assert missing_tables(CHOSEN, paths) == []


def test_a_table_of_a_clone_is_known_by_its_tablespace() -> None:
    tables = (
        ServerTable("shop", "orders", "shop/orders"),
        ServerTable("shop", "parts", "shop/parts"),
        ServerTable("shop", "far", "shop/far"),
        ServerTable("shop", "shared", "ts1.ibd"),
        # In a general tablespace elsewhere, and of another engine.
        ServerTable("shop", "apart", "/elsewhere/ts2.ibd"),
        ServerTable("shop", "isam", ""),
        ServerTable("shop", "gone", "shop/gone"),
        ServerTable("shop", "unshared", "ts3.ibd"),
    )
    chosen = replace(CHOSEN, tables=tables, sent_bytes=1)
    paths = ["shop/orders.ibd", "shop/parts#p#p0.ibd", "mooring-external/d/shop/far.ibd", "ts1.ibd"]
    assert missing_tables(chosen, paths) == ["shop.gone", "shop.unshared"]


def test_a_backup_without_one_of_its_tables_ends_with_a_problem() -> None:
    survey = SimpleNamespace(chosen=CHOSEN)
    work: Any = SimpleNamespace(choice=CHOSEN.choice, preflight=SimpleNamespace(survey=survey))
    run: Any = SimpleNamespace(stage="copy", problems=[], log=lambda *_words: None)
    contents: Any = SimpleNamespace(files=[SimpleNamespace(path="shop/orders.frm")])
    note_missing(run, work, contents)
    assert run.problems == []
    contents.files.clear()
    note_missing(run, work, contents)
    (problem,) = run.problems
    assert "1 chosen table renamed or dropped during the copy" in problem
    assert problem.endswith("not in it: shop.orders")
