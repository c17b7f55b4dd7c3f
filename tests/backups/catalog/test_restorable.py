"""Which backups of a chain cannot be restored, and which one is to blame."""

from __future__ import annotations

from datetime import timedelta

from django.test import TestCase

from backups.catalog.evidence import without_faults
from backups.catalog.restorable import load_conditions
from backups.health.usable import usable_copies
from backups.models import Backup, BackupCopy, Repository
from backups.states import CopyFault, CopyStatus, Operation
from tests.backups.taking import prove
from tests.monitor.rows import make_backup, make_chain, make_instance, make_repository


class ConditionTestCase(TestCase):
    main: Repository
    chain: list[Backup]

    @classmethod
    def setUpTestData(cls) -> None:
        cls.main = make_repository()
        cls.chain = make_chain(make_instance("orders-1"), cls.main, "FIID")

    def copy_of(self, number: int) -> BackupCopy:
        return self.chain[number].copies.get(repository=self.main)

    def words(self) -> list[str]:
        """What stands against each backup of the chain."""
        found = load_conditions(backup.pk for backup in self.chain)
        good = without_faults(usable_copies()).values_list("backup", flat=True)
        for backup in self.chain:
            self.assertEqual(found[backup.pk].obstacle is None, backup.pk in good)
        obstacles = [found[backup.pk].obstacle for backup in self.chain]
        return ["" if obstacle is None else str(obstacle) for obstacle in obstacles]

    def test_nothing_stands_against_a_sound_chain(self) -> None:
        self.assertEqual(self.words(), ["", "", "", ""])

    def test_a_failed_proof_stands_against_all_that_need_the_backup(self) -> None:
        prove(self.copy_of(1), Operation.VERIFY, passed=False)
        label = self.chain[1].label
        needs = f"it needs {label}, which failed its verify in main"
        self.assertEqual(self.words(), ["", "failed its verify in main", needs, ""])
        prove(self.copy_of(1), Operation.VERIFY, passed=True)
        self.assertEqual(self.words(), ["", "", "", ""])

    def test_of_two_faults_the_one_further_down_is_named(self) -> None:
        prove(self.copy_of(0), Operation.RESTORE_TEST, passed=False)
        prove(self.copy_of(2), Operation.VERIFY, passed=False)
        needs = f"it needs {self.chain[0].label}, which failed its restore test in main"
        self.assertEqual(self.words(), ["failed its restore test in main", needs, needs, needs])

    def test_each_fault_of_a_copy_has_its_words(self) -> None:
        copy = BackupCopy.objects.filter(pk=self.copy_of(1).pk)
        for change, said in (
            ({"fault": CopyFault.MISSING, "fault_detail": "no pack 3"}, "is missing in main: no"),
            ({"key_fault": "key k1 is unknown"}, "cannot be opened in main: key k1 is unknown"),
            ({"status": CopyStatus.EXPIRED}, "is being deleted from main"),
            ({"status": CopyStatus.PURGED}, "was purged from main"),
        ):
            with self.subTest(said):
                copy.update(status=CopyStatus.STORED, fault="", key_fault="", fault_detail="")
                copy.update(**change)
                found = load_conditions([self.chain[2].pk])[self.chain[2].pk]
                self.assertIn(f"it needs {self.chain[1].label}, which {said}", str(found.obstacle))

    def test_a_repository_that_is_gone_is_no_fault_of_the_chain(self) -> None:
        Repository.objects.filter(pk=self.main.pk).update(fault="not mounted")
        said = "repository main cannot be used: not mounted"
        self.assertEqual(self.words(), [said] * 4)

    def test_a_sound_copy_elsewhere_is_enough(self) -> None:
        other = make_repository("other")
        for backup in self.chain[:2]:
            BackupCopy.objects.create(backup=backup, repository=other, stored_bytes=1, pack_count=1)
        prove(self.copy_of(0), Operation.VERIFY, passed=False)
        found = load_conditions([self.chain[1].pk, self.chain[2].pk])
        self.assertIsNone(found[self.chain[1].pk].obstacle)
        self.assertEqual(list(found[self.chain[1].pk].obstacles), [self.copy_of(1).pk])
        self.assertIsNotNone(found[self.chain[2].pk].obstacle)

    def test_a_copy_that_was_never_stored_there_is_named(self) -> None:
        other = make_repository("other")
        BackupCopy.objects.filter(pk=self.copy_of(2).pk).update(repository=other)
        found = load_conditions([self.chain[2].pk])[self.chain[2].pk]
        self.assertEqual(
            str(found.obstacle), f"it needs {self.chain[0].label}, which is not stored in other"
        )

    def test_it_costs_the_same_for_any_number_of_backups(self) -> None:
        many = [
            make_backup(self.chain[0].instance, self.main, age=timedelta(hours=n + 1)).backup_id
            for n in range(20)
        ]
        for ids in ([self.chain[2].pk], [*many, *(link.pk for link in self.chain)]):
            with self.assertNumQueries(4):
                load_conditions(ids)
