"""What is known of a backup, in words."""

from __future__ import annotations

import pytest
from pytest_django import DjangoAssertNumQueries

from backups.catalog.evidence import load_proofs
from backups.models import Backup, Evidence, Instance, Repository
from backups.states import CopyStatus, Operation
from tests.monitor.rows import make_backup, make_instance, make_repository

pytestmark = pytest.mark.django_db

V, T = Operation.VERIFY, Operation.RESTORE_TEST


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([], "not proven yet"),
        ([(V, True)], "verified"),
        ([(T, True)], "restore-tested"),
        ([(V, True), (T, True)], "verified, restore-tested"),
        ([(V, False)], "VERIFY FAILED"),
        ([(V, True), (T, False)], "verified, RESTORE TEST FAILED"),
        # The newest of each sort counts.
        ([(V, False), (V, True)], "verified"),
        ([(V, True), (V, False)], "VERIFY FAILED"),
    ],
)
def test_evidence_in_words(found: list[tuple[Operation, bool]], words: str) -> None:
    copy = make_backup(make_instance("orders-1"), make_repository())
    for operation, passed in found:
        Evidence.objects.create(copy=copy, operation=operation, passed=passed)
    proof = load_proofs([copy.backup])[copy.backup.pk]
    assert proof.in_words() == words
    assert (proof.verified_at is not None) == words.startswith("verified")
    assert (proof.restore_tested_at is not None) == words.endswith("restore-tested")
    assert proof.stored_in == ["main"]


def test_a_verify_that_looked_at_pages_says_so() -> None:
    copy = make_backup(make_instance("orders-1"), make_repository())
    report = {"pages": {"damaged": 0}}
    Evidence.objects.create(copy=copy, operation=V, passed=True, report=report)
    assert load_proofs([copy.backup])[copy.backup.pk].in_words() == "verified with pages"


@pytest.mark.parametrize("status", [CopyStatus.EXPIRED, CopyStatus.PURGED])
def test_evidence_goes_with_its_copy(status: CopyStatus) -> None:
    copy = make_backup(make_instance("orders-1"), make_repository(), status=status)
    Evidence.objects.create(copy=copy, operation=V, passed=True)
    proof = load_proofs([copy.backup])[copy.backup.pk]
    assert (proof.in_words(), proof.stored_in) == ("not proven yet", [])


def test_many_backups_cost_as_much_as_one(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    repository: Repository = make_repository()
    for number in range(5):
        instance: Instance = make_instance(f"orders-{number}")
        make_backup(instance, repository)
    with django_assert_num_queries(5):
        load_proofs(Backup.objects.prefetch_related("copies__repository"))
