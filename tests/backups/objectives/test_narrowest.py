"""Does the narrowest objective count, each of RPO and RTO by itself?"""

from __future__ import annotations

from datetime import timedelta

from backups.objectives.narrowest import Objective, ObjectiveBook, Objectives, ObjectiveSetting

M, H, D = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
EVERY = ObjectiveSetting(1, "all instances", rpo=D, rto=4 * H)
SHOP = ObjectiveSetting(2, "group shop", rpo=H, group_id=7)
GOLD = ObjectiveSetting(3, "tag gold", rto=30 * M, tag_id=8)
ORDERS = ObjectiveSetting(4, "orders-1", rpo=5 * M, instance_id=1)
BOOK = ObjectiveBook([EVERY, SHOP, GOLD, ORDERS])


def test_the_narrowest_that_sets_a_value_counts() -> None:
    assert BOOK.of(9) == Objectives(
        Objective(D, "all instances"), Objective(4 * H, "all instances")
    )
    assert BOOK.of(9, group_ids={7}).rpo == Objective(H, "group shop")
    assert BOOK.of(9, tag_ids={8}, group_ids={7}).rto == Objective(30 * M, "tag gold")
    own = BOOK.of(1, tag_ids={8}, group_ids={7})
    assert own == Objectives(Objective(5 * M, "orders-1"), Objective(30 * M, "tag gold"))


def test_a_tag_is_narrower_than_a_group() -> None:
    tagged = ObjectiveSetting(1, "tag gold", rpo=M, tag_id=8)
    found = ObjectiveBook([SHOP, tagged]).of(9, {8}, {7})
    assert found.rpo == Objective(M, "tag gold")


def test_of_equal_scopes_the_newest_counts() -> None:
    newer = ObjectiveSetting(5, "group all-shops", rpo=2 * H, group_id=6)
    assert ObjectiveBook([SHOP, newer]).of(9, (), {6, 7}).rpo == Objective(2 * H, "group all-shops")


def test_without_one_there_is_none() -> None:
    assert ObjectiveBook().of(1, {8}, {7}) == Objectives()
    assert ObjectiveBook([SHOP]).of(1) == Objectives()
