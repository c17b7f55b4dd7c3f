"""Which copy is read first: the rule, and who follows it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from backups.catalog.copies import copy_to_read, named_copy, source_for
from backups.catalog.preferred import nearness_of, reason_to_read
from backups.catalog.reading_order import Nearness, ReadableCopy, reading_order, why_read
from backups.models import Backup, BackupCopy, Instance, Repository
from tests.backups.conftest import make_repository
from tests.backups.fake_engine import FakeEngine
from tests.backups.repositories.held_mount import held_mount
from tests.backups.taking import prove, take_backup
from tests.commands import run_command

# In the order in which they are read.
ORDERED = [
    ReadableCopy(9, "vault", Nearness.LOCAL, "restore-tested"),
    ReadableCopy(2, "disk", Nearness.LOCAL, "verified"),
    ReadableCopy(8, "nas", Nearness.MOUNTED, "verified"),
    ReadableCopy(7, "s3-proven", Nearness.BUCKET, "restore-tested"),
    ReadableCopy(6, "local-unproven", Nearness.LOCAL),
    ReadableCopy(5, "sftp", Nearness.SERVER),
    ReadableCopy(3, "s3", Nearness.BUCKET),
    ReadableCopy(4, "s3-later", Nearness.BUCKET),
    ReadableCopy(1, "tape", Nearness.MEDIA, "restore-tested"),
    ReadableCopy(0, "broken", Nearness.LOCAL, "restore-tested", sound=False),
]


def test_the_order_is_the_stated_one() -> None:
    mixed = random.Random(14).sample(ORDERED, len(ORDERED))
    assert reading_order(mixed) == ORDERED


@pytest.mark.parametrize(
    ("chosen", "among", "reason"),
    [
        (2, ORDERED[1:2], "the only copy: local folder, verified"),
        (
            2,
            ORDERED[1:6],
            "first of 5 copies: local folder, verified; "
            "next would be nas: mounted folder, verified",
        ),
        (
            1,
            ORDERED[7:9],
            "as requested: sequential media, restore-tested; s3-later would be read first: "
            "object store, unproven",
        ),
        (0, ORDERED[-1:], "the only copy: local folder, known to have a fault"),
    ],
)
def test_the_reason_names_the_alternative(
    chosen: int, among: list[ReadableCopy], reason: str
) -> None:
    assert why_read(chosen, among) == reason


@pytest.fixture
def backup(orders: Instance, main: Repository, engine: FakeEngine, tmp_path: Path) -> Backup:
    return take_backup(orders, main, make_repository("another", tmp_path / "another"))


@pytest.mark.django_db(transaction=True)
def test_the_proven_copy_is_read_and_a_purge_names_the_first(
    backup: Backup, tmp_path: Path
) -> None:
    first, second = backup.copies.order_by("id")
    assert copy_to_read(backup.label) == first
    prove(second, "verify", passed=True)
    assert copy_to_read(backup.label) == second
    assert named_copy(backup.label) == first
    third = make_repository("third", tmp_path / "third")
    assert source_for(backup, third) == second
    prove(second, "verify", passed=False)
    assert source_for(backup, third) == copy_to_read(backup.label) == first
    assert copy_to_read(backup.label, "another") == second


@pytest.mark.django_db(transaction=True)
def test_the_plan_of_a_restore_says_why_its_copy_is_read(backup: Backup, tmp_path: Path) -> None:
    prove(BackupCopy.objects.get(repository__name="another"), "restore_test", passed=True)
    words = ("restorebackup", backup.label, "--to", str(tmp_path / "restored"), "--plan")
    answer = run_command(*words, "--json").json()
    assert answer["repository"] == "another"
    assert answer["repository_reason"].startswith("first of 2 copies: local folder, restore-tested")
    shown = run_command(*words, "--repository", "main").stdout
    assert "copy: as requested: local folder, unproven; another would be read" in shown
    copy = BackupCopy.objects.get(repository__name="main")
    assert "another would be read first" in reason_to_read(copy)


@pytest.mark.django_db
def test_a_mounted_folder_is_farther_than_one_of_this_host(
    main: Repository, tmp_path: Path
) -> None:
    with held_mount(tmp_path / "there", tmp_path / "mount") as mount:
        mounted = Repository(name="nas", path=str(mount.point / "repository"))
        assert nearness_of(mounted) is Nearness.MOUNTED
    assert nearness_of(main) is Nearness.LOCAL
