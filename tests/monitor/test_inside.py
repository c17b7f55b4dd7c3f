"""Look inside a backup: schemas, tables, one table; rows only, but for what is loaded later."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.test import TestCase
from django.urls import reverse

from backups.models import BackupCopy, TableOpening
from backups.states import CopyStatus
from tests.markup import one_line
from tests.monitor.rows import (
    make_backup,
    make_instance,
    make_repository,
    make_user,
    record_tables,
)

ODD = 'a & "b" <c>'


class InsideTestCase(TestCase):
    olga: User
    victor: User
    copy: BackupCopy
    label: str
    address: str

    @classmethod
    def setUpTestData(cls) -> None:
        cls.olga = make_user("olga", "operator")
        cls.victor = make_user("victor", "viewer")
        cls.copy = make_backup(make_instance("orders-1"), make_repository())
        cls.label = cls.copy.backup.label
        cls.address = reverse("backup-inside", args=[cls.label])
        sizes = {f"shop/t{number:03}.ibd": 1000 + number for number in range(300)}
        parts = {f"log/events#P#p{number}.ibd": 9_000_000 for number in range(12)}
        odd = {"@0061@0020@0026@0020@0022b@0022@0020@003cc@003e/x.MYD": 7, "shop/big.frm": 9}
        record_tables(cls.copy, sizes | parts | odd | {"ibdata1": 10})

    def setUp(self) -> None:
        self.client.force_login(self.victor)

    def page(self, **query: str) -> str:
        response = self.client.get(self.address, query)
        self.assertEqual(response.status_code, 200)
        return one_line(response.content.decode())

    def test_schemas_are_the_first_page(self) -> None:
        page = self.page()
        self.assertLess(page.index(">log</a>"), page.index(">shop</a>"))
        self.assertIn("a &amp; &quot;b&quot; &lt;c&gt;</a>", page)
        self.assertIn("1 file of no table", page)

    def test_tables_of_a_schema_the_largest_first_by_pages(self) -> None:
        page = self.page(schema="shop")
        self.assertLess(page.index(">t299</a>"), page.index(">t200</a>"))
        self.assertNotIn(">t199</a>", page)
        self.assertIn("1–100 of 301", page)
        last = self.page(schema="shop", page="4")
        self.assertIn("view, or shares a tablespace", last)

    def test_search_is_in_one_schema_or_in_all(self) -> None:
        self.assertIn(">events</a>", self.page(q="EVENT"))
        self.assertIn("No matching tables", self.page(schema="shop", q="event"))

    def test_one_table(self) -> None:
        page = self.page(schema="log", table="events")
        self.assertIn("<dt>Partitions</dt><dd>12</dd>", page.replace("> <", "><"))
        self.assertIn("InnoDB", page)
        self.assertIn("are shown to operators", page)
        self.assertNotIn("backup-inside-stored", page)
        self.client.force_login(self.olga)
        stored = reverse("backup-inside-stored", args=[self.label])
        self.assertIn(f'hx-get="{stored}?schema=log&amp;table=events"', self.page(
            schema="log", table="events"))  # fmt: skip

    def test_a_table_that_is_not_there(self) -> None:
        for query in ({"schema": "log", "table": "event"}, {"table": "events"}):
            self.assertEqual(self.client.get(self.address, query).status_code, 404)

    def test_odd_names_lead_to_their_table(self) -> None:
        self.assertIn("MyISAM", self.page(schema=ODD, table="x"))

    def test_every_page_costs_the_same(self) -> None:
        for query in ({}, {"schema": "shop"}, {"q": "t"}):
            with self.assertNumQueries(QUERIES):
                self.client.get(self.address, query)

    def test_contents_that_were_not_recorded_say_what_to_do(self) -> None:
        other = make_backup(make_instance("orders-2"), make_repository("other"))
        response = self.client.get(reverse("backup-inside", args=[other.backup.label]))
        self.assertContains(response, "browsebackup")

    def test_a_purged_backup_has_no_definition(self) -> None:
        BackupCopy.objects.update(status=CopyStatus.PURGED)
        self.client.force_login(self.olga)
        page = self.page(schema="log", table="events")
        self.assertIn("No copy of this backup is stored", page)
        self.assertNotIn("hx-get", page)

    def test_names_that_no_server_allows_open_nothing(self) -> None:
        self.client.force_login(make_user("ada", "admin"))
        address = reverse("backup-table-open", args=[self.label])
        for table in ("", "t" * 65):
            with self.subTest(table):
                page = self.client.post(address, {"schema": "shop", "table": table}, follow=True)
                self.assertContains(page, "no server allows the name")
        self.assertFalse(TableOpening.objects.exists())


QUERIES = 8
