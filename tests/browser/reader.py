"""Somebody who reads the site: a page of a real Chromium, and everything wrong that it reported."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 900}


class Reader:
    """A logged-in reader. ``faults`` has what no page may do: complain, or ask another host."""

    def __init__(self, browser: Browser, site: str, name: str, password: str) -> None:
        self.site = site
        self.faults: list[str] = []
        self.context = browser.new_context(viewport=DESK)  # type: ignore[arg-type]
        self.page: Page = self.context.new_page()
        self.page.on("console", lambda said: self._hear(said.type, said.text))
        self.page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        self.page.on("request", lambda request: self._see(request.url))
        self.page.goto(f"{site}/login/")
        self.page.get_by_label("Username").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()
        self.page.get_by_role("navigation", name="Main").wait_for()

    def open(self, address: str) -> Page:
        answer = self.page.goto(f"{self.site}{address}")
        assert answer is not None
        if answer.status != 200:
            self.faults.append(f"{address}: {answer.status}")
        return self.page

    def look_closely(self, address: str) -> None:
        """Note what keeps people from a page: contrast in both themes, names, width."""
        page = self.open(address)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            for violation in Axe().run(page).response["violations"]:
                nodes = [node["html"][:120] for node in violation["nodes"][:3]]
                self.faults.append(f"{address} ({scheme}): {violation['id']}: {nodes}")
        page.emulate_media(color_scheme="light")
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        if (width := self._settled_width()) > PHONE["width"]:
            self.faults.append(f"{address} is {width} px wide on a phone")
        page.set_viewport_size(DESK)  # type: ignore[arg-type]

    def _settled_width(self) -> int:
        """Return how wide the page is once its charts have been drawn again."""
        width = PHONE["width"]
        for _ in range(20):
            width = int(self.page.evaluate("document.documentElement.scrollWidth"))
            if width <= PHONE["width"]:
                break
            self.page.wait_for_timeout(100)
        return width

    def _hear(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.faults.append(f"{self.page.url}: {kind}: {text}")

    def _see(self, url: str) -> None:
        if not url.startswith((self.site, "data:", "blob:")):
            self.faults.append(f"asked {url}")
