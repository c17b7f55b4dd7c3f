"""Is somebody who has just installed it led to a first backup?"""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.chromium import BrowserTestCase
from tests.monitor.rows import make_instance, make_repository, make_user


class FirstRunTestCase(BrowserTestCase):
    def tearDown(self) -> None:
        self.assertEqual(self.complaints, [])

    def test_each_step_leads_to_the_next(self) -> None:
        ada = make_user("ada", "admin")
        page = self.open("/", ada)
        self.assert_current(page, "Add an instance")
        self.assertEqual(Axe().run(page).response["violations"], [])
        page.locator(".first-steps").get_by_role("link", name="Add instance").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("instance")

        make_instance("orders-1")
        page = self.open("/", ada)
        self.assert_current(page, "Add a repository")
        make_repository()
        page = self.open("/", ada)
        self.assert_current(page, "Take the first backup")
        expect(page.get_by_role("button", name="Back up orders-1 now")).to_be_visible()

    def test_a_reader_is_shown_who_can_continue(self) -> None:
        page = self.open("/", make_user("vera", "viewer"), viewport={"width": 360, "height": 740})
        expect(page.locator(".first-steps")).to_contain_text("An admin can add it.")
        self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), 360)

    def assert_current(self, page: Page, heading: str) -> None:
        current = page.locator(".first-steps [aria-current=step] h3")
        expect(current).to_contain_text(heading)
