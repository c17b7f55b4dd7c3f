"""Chains on pages: what depends on what, and what a damaged backup leaves unprotected."""

from __future__ import annotations

import re
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import connection
from django.test import TestCase
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from backups.catalog.contents import BackupContents, TableContent, pack_contents
from backups.models import Backup, BackupCopy, BackupTables, Instance, Repository
from backups.states import CopyStatus, Operation
from monitor.selectors.chains import CHAINS_SHOWN, LINKS_SHOWN
from tests.markup import one_line
from tests.monitor.rows import (
    GIB,
    make_backup,
    make_chain,
    make_evidence,
    make_instance,
    make_repository,
    make_user,
    record_tables,
)

DAY = timedelta(days=1)
MIB = 1024 * 1024
LINK = re.compile(r"<li class=\"link[^>]*>")


class ChainPageTestCase(TestCase):
    victor: User
    main: Repository
    orders: Instance
    address: str

    @classmethod
    def setUpTestData(cls) -> None:
        cls.victor = make_user("victor", "viewer")
        cls.main = make_repository()
        cls.orders = make_instance("orders-1")
        cls.address = reverse("instance-detail", args=["orders-1"])

    def setUp(self) -> None:
        self.client.force_login(self.victor)

    def page(self, address: str = "") -> str:
        return one_line(self.client.get(address or self.address).content.decode())

    def of(self, backup: Backup) -> str:
        return self.page(reverse("backup-detail", args=[backup.label]))

    def lines(self, text: str) -> list[str]:
        """Which lines are drawn at each backup: to the next one, and to what is further away."""
        found = []
        for link in LINK.findall(text):
            words = re.findall(r'data-(?:next|bus)="([^"]*)"', link)
            found.append(" ".join(words))
        return found


class InstanceChainsTestCase(ChainPageTestCase):
    def test_without_a_backup_there_is_no_chain(self) -> None:
        self.assertIn("No chain yet", self.page())

    def test_full_backups_alone_are_not_drawn(self) -> None:
        make_chain(self.orders, self.main, "F")
        page = self.page()
        self.assertIn("Every backup shown here is a full one", page)
        self.assertEqual(self.lines(page), [])

    def test_lines_lead_from_the_base_of_each_backup(self) -> None:
        make_chain(self.orders, self.main, "FIIDID")
        lines = ["sound start", "sound through", "through", "sound drop", "through", "end"]
        self.assertEqual(self.lines(self.page()), lines)

    def test_kind_and_moment_are_two_words(self) -> None:
        make_chain(self.orders, self.main, "FI")
        self.assertRegex(self.page(), r"<span>Incremental </span><time")

    def test_where_no_line_says_it_words_name_the_base(self) -> None:
        _, first, second, third = make_chain(self.orders, self.main, "FIII")
        self.assertNotIn('<span class="minor">on ', self.page())
        # Both were taken at the same time.
        Backup.objects.filter(pk=third.pk).update(base=first)
        third.ancestors.filter(ancestor=second).delete()
        page = self.page()
        self.assertEqual(self.lines(page), ["sound", "sound", "", ""])
        self.assertEqual(page.count('<span class="minor">on '), 1)

    def test_the_newest_chain_is_the_first(self) -> None:
        old = make_chain(self.orders, self.main, "FI", age=7 * DAY)
        new = make_chain(self.orders, self.main, "FI")
        page = self.page()
        at = [page.index(f'aria-label="Chain of {chain[0].label}"') for chain in (new, old)]
        self.assertEqual(at, sorted(at))

    def test_a_damaged_backup_leaves_unprotected_what_needs_it(self) -> None:
        chain = make_chain(self.orders, self.main, "FIII")
        for backup in chain:
            make_evidence(backup.copies.get(), Operation.VERIFY, passed=True)
        make_evidence(chain[1].copies.get(), Operation.VERIFY, passed=False)
        page = self.page()
        self.assertIn("3 of 4 cannot be restored:", page)
        self.assertIn(f"{chain[1].label} failed its verify in main.", page)
        self.assertEqual(self.lines(page)[1:], ["bad", "bad", ""])
        picture = page[page.index('id="chains"') : page.index('id="backups"')]
        for word, count in (("verify failed", 1), ("not restorable", 2), (">verified<", 1)):
            self.assertEqual(picture.count(word), count, word)

    def test_what_is_recoverable_is_found_behind_a_broken_chain(self) -> None:
        (old,) = make_chain(self.orders, self.main, "F", age=7 * DAY)
        chain = make_chain(self.orders, self.main, "FIIIIIII")
        make_evidence(chain[0].copies.get(), Operation.VERIFY, passed=False)
        page = self.page()
        sentence = page[page.index("Recoverable to") : page.index('id="doctor"')]
        self.assertIn(reverse("backup-detail", args=[old.label]), sentence)
        self.assertIn("newest backup</a> cannot be restored now.", sentence)
        make_evidence(old.copies.get(), Operation.VERIFY, passed=False)
        self.assertIn("None of the newest backups can be restored", self.page())

    def test_what_is_pinned_or_being_deleted_is_marked(self) -> None:
        chain = make_chain(self.orders, self.main, "FII")
        Backup.objects.filter(pk=chain[1].pk).update(pinned=True)
        BackupCopy.objects.filter(backup=chain[2]).update(status=CopyStatus.EXPIRED)
        page = self.page()
        self.assertIn("being deleted", page)
        self.assertIn('<span class="chip">pinned</span>', page)

    def test_it_says_how_much_of_a_chain_is_where(self) -> None:
        chain = make_chain(self.orders, self.main, "FII")
        other = make_repository("other")
        BackupCopy.objects.create(backup=chain[0], repository=other, stored_bytes=1, pack_count=1)
        self.assertIn("in main, other (1 of 3)", self.page())

    def test_a_long_chain_keeps_its_full_one_and_the_newest_in_sight(self) -> None:
        chain = make_chain(self.orders, self.main, "F" + "D" * 30)
        page = self.page()
        self.assertEqual(len(self.lines(page)), LINKS_SHOWN + 1)
        self.assertIn(f"{31 - LINKS_SHOWN} between", page)
        self.assertIn(f'title="{chain[0].label}"><span>Full', page)
        self.assertIn(f'title="{chain[30].label}"><span>Differential', page)
        self.assertNotIn(f'title="{chain[3].label}"><span>Differential', page)

    def test_chains_are_paged(self) -> None:
        for number in range(CHAINS_SHOWN + 1):
            make_chain(self.orders, self.main, "FI", age=number * DAY)
        self.assertEqual(len(self.lines(self.page())), 2 * CHAINS_SHOWN)
        self.assertEqual(len(self.lines(self.page(f"{self.address}?chains=2"))), 2)

    def test_the_page_costs_the_same_with_any_number_of_chains(self) -> None:
        costs = []
        for number in range(2):
            for n in range(1 + 20 * number):
                for backup in make_chain(
                    self.orders, self.main, "FIID", age=(50 * number + n) * DAY
                ):
                    make_evidence(backup.copies.get(), Operation.VERIFY, passed=True)
            with CaptureQueriesContext(connection) as queries:
                self.client.get(self.address)
            costs.append(len(queries))
        self.assertEqual(costs, [73, 73])


class BackupChainTestCase(ChainPageTestCase):
    def test_one_that_stands_alone_shows_no_chain(self) -> None:
        copy = make_backup(self.orders, self.main)
        self.assertNotIn('id="chain"', self.of(copy.backup))

    def test_it_shows_what_a_restore_reads_and_what_needs_it(self) -> None:
        full, first, second, third = make_chain(self.orders, self.main, "FIII")
        page = self.of(second)
        read = page[page.index("A restore reads") : page.index("Required by")]
        for backup in (full, first):
            self.assertIn(reverse("backup-detail", args=[backup.label]), read)
        self.assertNotIn(third.label, read)
        self.assertIn('At most <span title="3,221,225,472 bytes">3.0 GiB</span>', read)
        self.assertIn(third.label, page[page.index("Required by") :])
        marks = [re.findall("data-needed|aria-current", link) for link in LINK.findall(page)]
        self.assertEqual(marks, [["data-needed"], ["data-needed"], ["aria-current"], []])

    def test_an_older_proof_does_not_stand_beside_a_damaged_base(self) -> None:
        full, link = make_chain(self.orders, self.main, "FI")
        evidence = make_evidence(link.copies.get(), Operation.VERIFY, passed=True)
        evidence.report = {"with": [full.label]}
        evidence.save(update_fields=["report"])
        page = self.of(link)
        self.assertIn(f"with {full.label}", page)
        self.assertIn(">verified<", page)
        make_evidence(full.copies.get(), Operation.VERIFY, passed=False)
        page = self.of(link)
        self.assertIn("This backup cannot be restored now", page)
        self.assertIn(f"it needs {full.label}, which failed its verify in main", page)
        self.assertNotIn(">verified<", page)
        for words in (">was verified<", ">passed before<", "Cannot be restored from here now"):
            self.assertIn(words, page)

    def test_the_page_costs_the_same_with_any_number_of_links(self) -> None:
        costs = []
        for links in (2, 40):
            chain = make_chain(self.orders, self.main, "F" + "D" * links, age=links * DAY)
            with CaptureQueriesContext(connection) as queries:
                self.of(chain[1])
            costs.append(len(queries))
        self.assertEqual(costs[0], costs[1])
        self.assertLessEqual(costs[0], 31)


class ChangesTestCase(ChainPageTestCase):
    def contents(self, backup: Backup, **query: str) -> str:
        response = self.client.get(reverse("backup-contents", args=[backup.label]), query)
        return one_line(response.content.decode())

    def test_it_lists_the_tables_that_changed_since_the_base(self) -> None:
        full, link = make_chain(self.orders, self.main, "FI")
        record_tables(
            full.copies.get(), {"shop/a.ibd": 9 * MIB, "shop/b.ibd": MIB, "shop/c.ibd": 5}
        )
        content = pack_contents(
            BackupContents(
                [
                    TableContent("shop", "a", 1, 10 * MIB, 2 * MIB, True),
                    TableContent("shop", "b", 1, MIB, 0, True),
                    TableContent("shop", "d", 1, MIB, MIB, False),
                ],
                [],
                0,
                0,
                other_stored_bytes=7,
            )
        )
        BackupTables.objects.create(backup=link, content=content)
        page = self.contents(link)
        self.assertIn(f">{full.label}</a>", page)
        self.assertIn("1 of 3 tables changed: 192 blocks of 16 KiB,", page)
        self.assertIn("1 new, 0 renamed, 1 dropped", page)
        rows = re.findall(r"<th scope=\"row\"> (shop\.\w+)", page)
        self.assertEqual(rows, ["shop.a", "shop.d"])
        self.assertIn("Dropped, or renamed: shop.c (", page)
        self.assertIn(">+1.0 MiB</span>", page)
        # A filter replaces the list of tables, which is below.
        self.assertNotIn("shop.d", self.contents(link, q="a"))

    def test_without_an_earlier_backup_nothing_is_compared(self) -> None:
        (full,) = make_chain(self.orders, self.main, "F")
        record_tables(full.copies.get(), {"shop/a.ibd": 9})
        self.assertNotIn("Changed since", self.contents(full))

    def test_of_a_full_backup_sizes_are_compared_with_the_one_before(self) -> None:
        (old,) = make_chain(self.orders, self.main, "F", age=DAY)
        (new,) = make_chain(self.orders, self.main, "F")
        for backup, size in ((old, 5), (new, 9)):
            record_tables(backup.copies.get(), {"shop/a.ibd": size})
        page = self.contents(new)
        self.assertIn(f">{old.label}</a>", page)
        self.assertIn("only names and sizes are compared", page)


class RestoreOfChainTestCase(ChainPageTestCase):
    def setUp(self) -> None:
        self.client.force_login(make_user("olga", "operator"))

    def test_the_list_says_what_kind_each_backup_is_and_what_its_restore_reads(self) -> None:
        chain = make_chain(self.orders, self.main, "FII")
        Backup.objects.filter(pk=chain[2].pk).update(restored_bytes=5 * GIB)
        page = self.page(f"{reverse('restore-wizard')}?instance=orders-1")
        row = page[page.index(chain[2].label) : page.index(chain[1].label)]
        for words in ("Incremental", ">5.0 GiB<", ">3.0 GiB<", "of 3 backups"):
            self.assertIn(words, row)

    def test_one_that_cannot_be_restored_is_not_recommended(self) -> None:
        full, link = make_chain(self.orders, self.main, "FI")
        make_evidence(link.copies.get(), Operation.RESTORE_TEST, passed=True)
        address = f"{reverse('restore-wizard')}?instance=orders-1"
        self.assertIn("Newest backup that passed a restore test", self.page(address))
        make_evidence(full.copies.get(), Operation.VERIFY, passed=False)
        page = self.page(address)
        self.assertNotIn("Newest backup that passed a restore test", page)
        self.assertIn("not restorable", page)

    def test_the_plan_names_all_backups_that_are_read(self) -> None:
        full, first, second = make_chain(self.orders, self.main, "FII")
        page = self.page(f"{reverse('restore-wizard')}?copy={second.copies.get().pk}")
        self.assertIn("A restore reads 3 backups of main", page)
        for backup in (full, first, second):
            self.assertIn(backup.label, page)
        self.assertNotIn(
            "A restore reads", self.page(f"{reverse('restore-wizard')}?copy={full.copies.get().pk}")
        )
