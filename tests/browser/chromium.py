"""A real Chromium in front of the site, and everything it complains about."""

from __future__ import annotations

import os
import shutil
from typing import ClassVar

from django.contrib.auth.models import User
from django.contrib.staticfiles.testing import StaticLiveServerTestCase
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright


class BrowserTestCase(StaticLiveServerTestCase):
    """Every test fails on an error in the console, the policy's refusals among them."""

    playwright: ClassVar[Playwright]
    browser: ClassVar[Browser]
    context: BrowserContext
    page: Page
    complaints: list[str]

    @classmethod
    def setUpClass(cls) -> None:
        # Playwright runs a loop in this thread, and Django would refuse queries beside it.
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
        cls.addClassCleanup(os.environ.pop, "DJANGO_ALLOW_ASYNC_UNSAFE")
        super().setUpClass()
        cls.playwright = sync_playwright().start()
        cls.addClassCleanup(cls.playwright.stop)
        cls.browser = cls.playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        cls.addClassCleanup(cls.browser.close)

    def open(self, address: str, user: User, **options: object) -> Page:
        """Open a page as ``user``; ``options`` are those of a browser context."""
        client = Client()
        client.force_login(user)
        # Any word playwright knows may come in: it checks them itself.
        self.context = self.browser.new_context(**options)  # type: ignore[arg-type]
        self.addCleanup(self.context.close)
        session = client.cookies["sessionid"].value
        self.context.add_cookies(
            [{"name": "sessionid", "value": session, "url": self.live_server_url}]
        )
        page = self.context.new_page()
        self.complaints = []
        page.on("console", lambda said: self._hear(said.type, said.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(f"{self.live_server_url}{address}")
        return page

    def _hear(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)
