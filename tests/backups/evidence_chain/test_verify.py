"""Whatever is changed, removed, put in or exchanged in a chain is found, and named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError

from backups.evidence_chain.append import append_all
from backups.evidence_chain.content import content_of, digest_of
from backups.evidence_chain.verify import verify_chain
from backups.models import BackupCopy, Drill, Evidence, EvidenceChain, EvidenceLink
from tests.backups.evidence_chain.chained import add_drill, add_evidence, add_rehearsal, chain_of
from tests.commands import run_command
from tests.monitor.rows import T0, make_backup, make_instance, make_repository

pytestmark = pytest.mark.django_db


@pytest.fixture
def copy() -> BackupCopy:
    """Return a copy with four links: two restore tests, a drill and a rehearsal."""
    copy = make_backup(make_instance("orders-1"), make_repository())
    # As it is read again, or content could depend on what is only in memory.
    copy = BackupCopy.objects.get(pk=copy.pk)
    add_evidence(copy)
    add_drill(copy)
    add_rehearsal(copy)
    add_evidence(copy, passed=False, report={"error": "no such table", "share": 0.25})
    return copy


def fault(copy: BackupCopy, *, full: bool = True) -> str:
    return verify_chain(chain_of(copy), T0, full=full).fault


def test_a_chain_that_nobody_touched_is_whole(copy: BackupCopy) -> None:
    finding = verify_chain(chain_of(copy), T0, full=True)
    assert (finding.checked, finding.fault) == (4, "")
    chain = chain_of(copy)
    assert (chain.verified_length, chain.verified_head) == (4, chain.head)
    assert verify_chain(chain, T0, full=False).checked == 0
    add_evidence(copy)
    assert verify_chain(chain_of(copy), T0, full=False).checked == 1


def test_chains_of_two_instances_do_not_touch(copy: BackupCopy) -> None:
    other = make_backup(make_instance("billing-1"), copy.repository)
    assert (add_evidence(other).number, add_evidence(copy).number) == (1, 5)
    assert fault(copy) == fault(other) == ""


def change_a_result(copy: BackupCopy) -> None:
    Evidence.objects.filter(link__number=4).update(passed=True, report={})


def change_a_drill(copy: BackupCopy) -> None:
    Drill.objects.update(recovery_time=timedelta(seconds=1))


def change_it_with_its_content(copy: BackupCopy) -> None:
    change_a_result(copy)
    link = EvidenceLink.objects.get(number=4)
    assert link.evidence is not None
    EvidenceLink.objects.filter(number=4).update(
        content_digest=digest_of(content_of(link.evidence))
    )


def take_a_link_out(copy: BackupCopy) -> None:
    EvidenceLink.objects.get(number=2).delete()
    Drill.objects.all().delete()


def cut_the_end(copy: BackupCopy) -> None:
    Evidence.objects.filter(link__number=4).update(passed=True)
    EvidenceLink.objects.get(number=4).delete()


def exchange_two(copy: BackupCopy) -> None:
    for old, new in ((2, 9), (3, 2), (9, 3)):
        EvidenceLink.objects.filter(number=old).update(number=new)


def put_one_in(copy: BackupCopy) -> None:
    Evidence.objects.create(copy=copy, operation="verify", passed=True)


def put_one_past_the_end(copy: BackupCopy) -> None:
    row = Evidence.objects.create(copy=copy, operation="verify", passed=True)
    EvidenceLink.objects.create(
        instance=copy.backup.instance, number=5, evidence=row, content_digest="0", digest="1"
    )


def forge_all_links_but_the_head(copy: BackupCopy) -> None:
    """Forge the whole chain, as who can compute hashes would."""
    head = chain_of(copy).head
    rows = [link.row for link in EvidenceLink.objects.order_by("number")]
    EvidenceLink.objects.all().delete()
    EvidenceChain.objects.update(length=0, head="")
    append_all(copy.backup.instance, [row for row in reversed(rows) if row is not None])
    EvidenceChain.objects.update(head=head)


@pytest.mark.parametrize(
    ("forge", "words"),
    [
        (change_a_result, "link 4: the restore test"),
        (change_a_drill, "link 2: the drill"),
        (change_it_with_its_content, "link 4: its hash is not that of the restore test"),
        (take_a_link_out, "link 2 is missing"),
        (cut_the_end, "link 4 is missing"),
        (exchange_two, "link 2: it does not follow link 1"),
        (put_one_in, "is in no link: it was put in by hand"),
        (put_one_past_the_end, "links after 4 were put in past the end"),
        (forge_all_links_but_the_head, "link 4 is not the one that was appended last"),
    ],
)
def test_what_was_forged_is_named(
    copy: BackupCopy, forge: Callable[[BackupCopy], None], words: str
) -> None:
    forge(copy)
    assert words in fault(copy)
    chain = chain_of(copy)
    assert words in chain.fault
    assert (chain.faulty_since, chain.verified_length) == (T0, 0)


def test_a_fault_stays_until_a_full_verification_finds_none(copy: BackupCopy) -> None:
    verify_chain(chain_of(copy), T0, full=True)
    Evidence.objects.filter(link__number=1).update(passed=False)
    assert fault(copy, full=False) == ""
    assert "was changed after it was recorded" in fault(copy)
    Evidence.objects.filter(link__number=1).update(passed=True)
    assert fault(copy, full=False) == ""
    assert chain_of(copy).fault
    assert fault(copy) == chain_of(copy).fault == ""


def test_a_row_in_a_chain_cannot_be_deleted(copy: BackupCopy) -> None:
    with pytest.raises(ProtectedError):
        Drill.objects.all().delete()


def test_a_place_is_given_once(copy: BackupCopy) -> None:
    EvidenceChain.objects.update(length=1)
    with pytest.raises(IntegrityError), transaction.atomic():
        add_evidence(copy)
    assert connection.is_usable()


def test_the_command_says_which_row(copy: BackupCopy) -> None:
    ended = run_command("verifyevidence", "orders-1")
    assert ended.exit_code == 0
    assert "1 of 1 chain whole, 4 rows of evidence as recorded" in ended.stdout
    change_a_result(copy)
    ended = run_command("verifyevidence")
    assert ended.exit_code == 1
    assert f"of {copy.backup.label}, " in ended.stdout
    assert '"fault": "link 4: the restore test' in run_command("verifyevidence", "--json").stdout
