"""Is a repository added by its kind first, with only the fields of that kind?"""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from backups.models import Repository
from tests.browser.chromium import BrowserTestCase
from tests.monitor.rows import make_user

ADD = "/settings/repositories/add/"


class RepositoryKindsTestCase(BrowserTestCase):
    def tearDown(self) -> None:
        self.assertEqual(self.complaints, [])

    def test_a_folder_is_chosen_filled_in_and_added(self) -> None:
        page = self.open(ADD, make_user("ada", "admin"))
        page.get_by_role("link", name=re.compile("^Folder")).click()
        expect(page.get_by_label("Folder", exact=True)).to_be_visible()
        expect(page.get_by_label("Region")).to_have_count(0)
        self.assertEqual(Axe().run(page).response["violations"], [])
        with TemporaryDirectory() as folder:
            page.get_by_label("Name", exact=True).fill("main")
            page.get_by_label("Folder", exact=True).fill(f"{folder}/backups")
            page.get_by_role("button", name="Add repository").click()
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            self.assertTrue(Path(folder, "backups", "mooring.json").exists())
        self.assertTrue(Repository.objects.filter(name="main", kind="directory").exists())

    def test_what_few_need_is_folded_and_no_kind_is_too_wide_for_a_phone(self) -> None:
        ada = make_user("ada", "admin")
        for kind in ("", "?kind=s3", "?kind=azure", "?kind=pipe"):
            page = self.open(f"{ADD}{kind}", ada, viewport={"width": 390, "height": 800})
            self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), 390)
        page = self.open(f"{ADD}?kind=s3", ada)
        expect(page.get_by_label("CA file")).to_be_hidden()
        page.get_by_text("Certificate, storage class, encryption by the store").click()
        expect(page.get_by_label("CA file")).to_be_visible()
        page.get_by_role("link", name="Choose another kind").click()
        expect(page.get_by_role("link", name=re.compile("^S3 bucket"))).to_be_visible()
