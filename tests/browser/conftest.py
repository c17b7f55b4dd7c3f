"""A whole site at work with a live MariaDB behind it, for the tests that read it as people do."""

from __future__ import annotations

import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.reader import Reader
from tests.live.conftest import mariadb
from tests.live.mooring_site import (
    PASSWORD,
    ROOT,
    Site,
    private_site,
    redis,
    running,
    wait_until,
    worker,
)
from tests.live.server import LiveServer, free_port

__all__ = ["mariadb"]

# What a page is to show is waited for: a machine that does other things is no fault.
expect.set_options(timeout=60_000)

# Slow enough that a backup is going on while every page is read.
SLOW = 768 * 1024


@dataclass(frozen=True, slots=True)
class LiveSite:
    """Where the site listens, what it knows, and what a person may do there."""

    address: str
    site: Site
    mariadb: LiveServer
    # A stored backup, and a job that is still running.
    label: str
    password: str = PASSWORD

    @property
    def folder(self) -> Path:
        return self.site.home


@pytest.fixture(scope="module")
def live(mariadb: LiveServer) -> Iterator[LiveSite]:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with ExitStack() as stack:
        site = stack.enter_context(private_site(mariadb, throttle=0))
        label = str(site.manage("takebackup", "bank-1", "--foreground")["label"])
        admin = [sys.executable, "-m", "scripts.prepare", "--admin"]
        subprocess.run(admin, cwd=ROOT, env=site.environment, check=True, capture_output=True)
        site.environment["MOORING_THROTTLE_BYTES_PER_S"] = str(SLOW)
        web = ["gunicorn", "monitor.wsgi", "--bind", f"127.0.0.1:{port}", "--threads", "4"]
        for argv in (redis(site.home), [sys.executable, "-m", *web]):
            stack.enter_context(running(argv, site))
        wait_until(site.sockets().exists)
        stack.enter_context(worker(site))
        wait_until(lambda: _answers(f"{address}/healthz"))
        yield LiveSite(address, site, mariadb, label)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        path = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def admin(live: LiveSite, chromium: Browser) -> Reader:
    return Reader(chromium, live.address, "admin", "a long enough one")


@pytest.fixture
def reader(admin: Reader) -> Iterator[Reader]:
    """The admin, who has nothing to complain of before the test and nothing after it."""
    admin.faults.clear()
    yield admin
    assert admin.faults == []


def _answers(url: str) -> bool:
    try:
        return bool(urllib.request.urlopen(url, timeout=2).status == 200)  # noqa: S310 - ours
    except (urllib.error.URLError, OSError):
        return False
