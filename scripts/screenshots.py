"""The pictures of README and docs, taken of the sample fleet in a real Chromium.

    python -m scripts.screenshots [--into FOLDER] [NAME ...]

Makes a site of its own in a temporary folder, fills it, and puts PNG files into docs/pictures:
each page light and dark, the fleet also on a phone. Nothing of a real installation is touched.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.console import SetupError, complain, say
from scripts.processes import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ADMIN = "demo"
DESK, PHONE = (1280, 800), (390, 844)
MOST_BYTES = 200_000
PATIENCE_SECONDS = 60
# The disk of the sample is this machine's: shown as if it were a disk of the fleet's size,
# and as if ticks ran.
BIGGER = 2600


@dataclass(frozen=True, slots=True)
class Shot:
    """One page to be taken. ``sql`` finds what its address needs."""

    name: str
    address: str
    sql: str = ""
    phone: bool = False
    # A page of a later release is left out where it is not there.
    optional: bool = False


SHOTS = (
    Shot("fleet", "/", phone=True),
    Shot("instance", "/instances/orders-fra-1/", phone=True),
    Shot(
        "job",
        "/jobs/{}/",
        "SELECT max(j.id) FROM backups_job j JOIN backups_instance i ON i.id = j.instance_id "
        "WHERE i.name = 'catalog-fra-1' AND j.operation = 'backup' AND j.status = 'succeeded'",
    ),
    Shot(
        "backup",
        "/backups/{}/",
        "SELECT b.label FROM backups_evidence e JOIN backups_backupcopy c ON c.id = e.copy_id "
        "JOIN backups_backup b ON b.id = c.backup_id WHERE e.operation = 'restore_test' "
        "AND e.passed AND c.status = 'stored' ORDER BY e.id DESC LIMIT 1",
    ),
    Shot("repository", "/repositories/sample-main/"),
    Shot("restore", "/restore/?instance=orders-fra-1"),
    Shot("calendar", "/calendar/", optional=True),
    Shot("alerts", "/alerts/", optional=True),
)


@contextmanager
def sample_site(home: Path) -> Iterator[tuple[str, str]]:
    """Have a site with the sample fleet answer; give its address and the admin's password."""
    password = secrets.token_urlsafe(16)
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "MOORING_HOME": str(home),
        "MOORING_ADMIN_USER": ADMIN,
        "MOORING_ADMIN_PASSWORD": password,
    }
    _python(environment, "-m", "scripts.prepare", "--admin")
    _python(environment, "-m", "scripts.demo_fleet")
    _python(environment, "-c", _AS_AT_WORK)
    argv = [sys.executable, "-m", "gunicorn", "monitor.wsgi", "--bind", f"127.0.0.1:{port}"]
    with subprocess.Popen([*argv, "--threads", "4"], cwd=ROOT, env=environment) as web:
        try:
            _wait_for(f"http://127.0.0.1:{port}/healthz")
            yield f"http://127.0.0.1:{port}", password
        finally:
            web.terminate()


def take_all(site: str, password: str, wanted: list[str], database: Path, into: Path) -> None:
    """Take each page in both themes."""
    from playwright.sync_api import sync_playwright

    into.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        path = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for theme in ("light", "dark"):
            for size in (DESK, PHONE):
                page = _log_in(browser, site, password, theme, size)
                for shot in SHOTS:
                    if (not wanted or shot.name in wanted) and (size == DESK or shot.phone):
                        suffix = theme if size == DESK else f"phone-{theme}"
                        _take(page, site, shot, database, into / f"{shot.name}-{suffix}.png")
        browser.close()


def _log_in(browser: Browser, site: str, password: str, theme: str, size: tuple[int, int]) -> Page:
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if theme == "dark" else "light",
        timezone_id="Europe/Berlin",
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(f"{site}/login/")
    page.get_by_label("Username").fill(ADMIN)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("navigation", name="Main").wait_for()
    return page


def _take(page: Page, site: str, shot: Shot, database: Path, file: Path) -> None:
    answer = page.goto(site + shot.address.format(*_found(database, shot.sql)))
    if answer is None or answer.status != 200:
        if shot.optional:
            return
        raise SetupError(f"{shot.name} answers {answer.status if answer else 'nothing'}")
    for canvas in page.locator("[data-chart]").all():
        canvas.locator(".main-svg").first.wait_for()
    page.screenshot(path=file, animations="disabled")
    if (size := file.stat().st_size) > MOST_BYTES:
        raise SetupError(f"{file.name} is {size:,} bytes, more than {MOST_BYTES:,}")
    say(f"{file.name}: {size / 1024:.0f} KiB")


def _found(database: Path, sql: str) -> tuple[object, ...]:
    import sqlite3

    if not sql:
        return ()
    with closing(sqlite3.connect(database)) as connection:
        row: tuple[object, ...] = connection.execute(sql).fetchone()
    return row


def _python(environment: Mapping[str, str], *words: str) -> None:
    if subprocess.run([sys.executable, *words], cwd=ROOT, env=environment, check=False).returncode:
        raise SetupError(f"{' '.join(words[:2])} did not succeed")


def _wait_for(url: str) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - our own site  # nosec B310
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise SetupError("the site did not answer in time")


_AS_AT_WORK = f"""
import os, django
os.environ["DJANGO_SETTINGS_MODULE"] = "monitor.settings"
django.setup()
from django.db.models import F
from django.utils.timezone import now
from alerts.tasks import EXPECTED_TASKS
from backups.models import RepositorySpace, TickHeartbeat
RepositorySpace.objects.update(
    free_bytes=F("free_bytes") * {BIGGER}, total_bytes=F("total_bytes") * {BIGGER}
)
for name in EXPECTED_TASKS:
    TickHeartbeat.objects.create(name=name, started_at=now(), finished_at=now())
"""


def main() -> int:
    parser = argparse.ArgumentParser(description="Take the pictures of README and docs.")
    parser.add_argument("names", nargs="*", help="only these")
    parser.add_argument("--into", type=Path, default=ROOT / "docs" / "pictures")
    asked = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="mooring-pictures-"))
    try:
        with sample_site(home) as (site, password):
            take_all(site, password, asked.names, home / "mooring.sqlite3", asked.into)
    except SetupError as exc:
        complain(str(exc), exc.hint)
        return 1
    finally:
        shutil.rmtree(home)
    return 0


if __name__ == "__main__":
    sys.exit(main())
