"""Two workers that record at the same moment make one chain."""

from __future__ import annotations

import threading

import pytest
from django.db import connections

from backups.evidence_chain.verify import verify_chain
from backups.models import BackupCopy, EvidenceChain, EvidenceLink
from tests.backups.evidence_chain.chained import add_drill, add_evidence, chain_of
from tests.monitor.rows import T0, make_backup, make_instance, make_repository

pytestmark = pytest.mark.django_db(transaction=True)
WRITERS, EACH = 4, 5


def test_many_writers_cannot_fork_it() -> None:
    copy = make_backup(make_instance("orders-1"), make_repository())
    together = threading.Barrier(WRITERS)
    faults: list[Exception] = []

    def write() -> None:
        mine = BackupCopy.objects.select_related("backup__instance").get(pk=copy.pk)
        try:
            together.wait(30)
            for _ in range(EACH):
                add_evidence(mine)
        except Exception as exc:
            faults.append(exc)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=write) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []
    numbers = list(EvidenceLink.objects.order_by("number").values_list("number", flat=True))
    assert numbers == list(range(1, WRITERS * EACH + 1))
    assert verify_chain(chain_of(copy), T0, full=True).fault == ""


def test_a_row_and_its_link_are_written_together_or_not_at_all() -> None:
    copy = make_backup(make_instance("orders-1"), make_repository())
    add_drill(copy)
    with pytest.raises(TypeError):
        add_evidence(copy, report={"tables": object(), 1: ()}, passed=True)
    chain = EvidenceChain.objects.get()
    assert (chain.length, EvidenceLink.objects.count()) == (1, 1)


def test_evidence_is_recorded_and_a_fault_known_where_the_end_of_a_chain_was_removed() -> None:
    copy = make_backup(make_instance("orders-1"), make_repository())
    add_evidence(copy)
    EvidenceChain.objects.all().delete()
    add_evidence(copy, passed=False)
    chain = chain_of(copy)
    assert (chain.length, chain.fault) == (2, "the end of the chain, 1, was removed")


def test_a_chain_that_is_shorter_than_it_was_is_broken() -> None:
    copy = make_backup(make_instance("orders-1"), make_repository())
    add_evidence(copy)
    add_evidence(copy)
    assert verify_chain(chain_of(copy), T0, full=True).fault == ""
    first, last = EvidenceLink.objects.order_by("number")
    EvidenceChain.objects.update(length=1, head=first.digest)
    last.delete()
    assert "link 2 is missing" in verify_chain(chain_of(copy), T0, full=False).fault
