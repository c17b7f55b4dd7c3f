"""3-2-1-1-0: what counts as a copy, and what is unknown instead of met or missing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.utils.timezone import now

from backups.health.spread import PlacedCopy, SpreadFacts, judge_spread
from backups.health.spread_rows import spread_of
from backups.models import BackupCopy, Instance, Repository
from backups.states import JobStatus, Operation
from tests.backups.conftest import make_repository
from tests.backups.fake_engine import FakeEngine
from tests.backups.taking import prove, purge, take_backup
from tests.commands import run_command

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
NEAR = PlacedCopy("near", NOW, "disk 2", "berlin", "", NOW)
FAR = PlacedCopy("far", NOW, "s3://b", "paris", "snapshots, as entered", NOW)
GOOD = SpreadFacts(NOW, timedelta(days=8), "berlin", "disk 1", (NEAR, FAR))


def results(facts: SpreadFacts) -> list[bool | None]:
    return [answer.met for answer in judge_spread(facts)]


def test_all_five_are_met() -> None:
    assert results(GOOD) == [True] * 5
    assert [answer.missing for answer in judge_spread(GOOD)] == [""] * 5


def test_without_a_copy_nothing_is_met() -> None:
    assert results(replace(GOOD, copies=())) == [False, False, False, False, None]


def test_one_copy_is_one_too_few() -> None:
    first, *_ = judge_spread(replace(GOOD, copies=(FAR,)))
    assert (first.met, first.missing) == (False, "Keep a recent copy in another repository.")


def test_an_old_copy_does_not_count() -> None:
    old = replace(FAR, ended_at=NOW - timedelta(days=9))
    assert results(replace(GOOD, copies=(NEAR, old))) == [False, True, False, False, True]


@pytest.mark.parametrize(
    ("of_data", "of_copies", "met"),
    [
        ("disk 1", ("disk 1", "disk 1"), False),
        ("disk 1", ("disk 1", "disk 2"), True),
        ("disk 1", ("disk 1", ""), None),
        ("", ("disk 2", "disk 2"), None),
        ("", ("disk 2", "s3://b"), True),
        ("disk 1", ("disk 2",), True),
    ],
)
def test_media(of_data: str, of_copies: tuple[str, ...], met: bool | None) -> None:
    copies = [replace(NEAR, medium=medium) for medium in of_copies]
    assert results(replace(GOOD, medium=of_data, copies=copies))[1] is met


@pytest.mark.parametrize(
    ("of_data", "of_copies", "met"),
    [
        ("berlin", ("berlin", "berlin"), False),
        ("berlin", ("berlin", "paris"), True),
        ("berlin", ("", "paris"), True),
        ("berlin", ("berlin", ""), None),
        ("", ("berlin", "paris"), None),
    ],
)
def test_sites(of_data: str, of_copies: tuple[str, ...], met: bool | None) -> None:
    copies = [replace(NEAR, site=site) for site in of_copies]
    assert results(replace(GOOD, site=of_data, copies=copies))[2] is met


def test_errors_are_distinct_from_what_was_never_checked() -> None:
    never, failed = replace(FAR, proven_at=None), replace(FAR, failed=True)
    long_ago = replace(FAR, proven_at=NOW - timedelta(days=91))
    assert results(replace(GOOD, copies=(NEAR, never)))[4] is None
    assert results(replace(GOOD, copies=(NEAR, long_ago)))[4] is None
    assert results(replace(GOOD, copies=(NEAR, failed)))[4] is False
    assert results(replace(GOOD, faulty=1))[4] is False


@pytest.fixture
def two(main: Repository, tmp_path: Path, engine: FakeEngine, orders: Instance) -> Repository:
    """A second repository, somewhere else, and a backup in both."""
    far = make_repository("far", tmp_path / "far")
    Repository.objects.filter(pk=main.pk).update(site="berlin", device=2)
    Repository.objects.filter(pk=far.pk).update(
        site="paris", device=3, undeletable_by="snapshots of the filer"
    )
    Instance.objects.filter(pk=orders.pk).update(site="berlin", data_device=1)
    take_backup(orders, main, far)
    return far


def answers(instance: Instance) -> list[bool | None]:
    instance.refresh_from_db()
    return [answer.met for answer in spread_of([instance], now())[instance.pk]]


@pytest.mark.django_db(transaction=True)
def test_rows_of_a_fleet(two: Repository, orders: Instance) -> None:
    assert answers(orders) == [True, True, True, True, None]
    for copy in BackupCopy.objects.all():
        prove(copy, Operation.VERIFY, passed=True)
    assert answers(orders) == [True] * 5

    copy = BackupCopy.objects.get(repository=two)
    prove(copy, Operation.VERIFY, passed=False)
    assert answers(orders)[4] is False
    BackupCopy.objects.filter(pk=copy.pk).update(fault="missing")
    assert answers(orders) == [False, True, False, False, False]


@pytest.mark.django_db(transaction=True)
def test_a_copy_that_is_marked_for_deletion_counts_no_more(
    two: Repository, orders: Instance
) -> None:
    Repository.objects.filter(pk=two.pk).update(purge_delay=timedelta(days=3))
    copy = BackupCopy.objects.get(repository=two)
    assert purge(copy, force=True, at_once=False).status == JobStatus.SUCCEEDED
    assert answers(orders)[:4] == [False, True, False, False]


@pytest.mark.django_db(transaction=True)
def test_the_queries_do_not_grow_with_the_fleet(
    two: Repository, orders: Instance, django_assert_max_num_queries: object
) -> None:
    others = [Instance(name=f"i{number}", engine="fake", port=number) for number in range(1, 40)]
    Instance.objects.bulk_create(others)
    everybody = list(Instance.objects.all())
    with django_assert_max_num_queries(7):  # type: ignore[operator]
        spread_of(everybody, now())


@pytest.mark.django_db(transaction=True)
def test_the_command_says_what_is_missing(two: Repository, orders: Instance) -> None:
    assert run_command("checkcopies").exit_code == 0
    Repository.objects.update(undeletable_by="")
    ended = run_command("checkcopies", orders.name, "--json")
    assert ended.exit_code == 1
    met = [answer["met"] for answer in ended.json()["instances"][0]["answers"]]
    assert met == [True, True, True, False, None]
