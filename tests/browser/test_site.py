"""Every page's main way on a site at work, with a backup of a live MariaDB going on."""

from __future__ import annotations

import re

import pytest
from django.urls import URLPattern, reverse
from playwright.sync_api import expect

from monitor.urls import urlpatterns
from tests.browser.conftest import LiveSite
from tests.browser.reader import Reader
from tests.live.mooring_site import wait_until
from tests.monitor.test_urls import POSTS

pytestmark = pytest.mark.live

# Parts of pages, and pages before a login.
NOT_PAGES = re.compile(
    r"-(live|rate|log|contents|grants|inside-stored|compare-tables|compare-rows)$|^(login|logout|healthz)$"
)
# Pages about something that this site has one of.
OF_THE_SITE = ("instance", "repository", "job", "backup", "setting-instance", "setting-repository")
BYTES = "#job .tile:nth-child(2) .figure-value"


def pages() -> list[tuple[str, list[str]]]:
    """Name every page that is opened by its address alone, or by what the site surely has."""
    found = []
    for pattern in urlpatterns:
        if not isinstance(pattern, URLPattern) or not pattern.name or pattern.name in POSTS:
            continue
        if not NOT_PAGES.search(pattern.name):
            words = list(pattern.pattern.converters)
            found.append((pattern.name, words))
    return found


def address(live: LiveSite, name: str, words: list[str]) -> str:
    """Return the address of a page; blank where nothing of that kind is there."""
    if set(words) - {"name", "pk", "label"} or (words and not name.startswith(OF_THE_SITE)):
        return ""
    there = {
        "name": "main" if "repositor" in name else "bank-1",
        "pk": job_of(live),
        "label": live.label,
    }
    if "group" in name and "name" in words:
        return ""
    return reverse(name, kwargs={word: there[word] for word in words})


def with_running_backup(live: LiveSite, reader: Reader) -> None:
    """Have a backup at work: the one of the first test may be done on a fast machine."""
    if not live.site.rows("SELECT 1 FROM backups_job WHERE status IN ('pending', 'running')"):
        reader.open("/instances/bank-1/").get_by_role("button", name="Back up now").first.click()
        reader.page.locator("#job .status-running").first.wait_for()


def with_new_backup(live: LiveSite, reader: Reader) -> None:
    """Have a backup at work that has only begun: one that is found may end at any moment."""
    active = "SELECT id FROM backups_job WHERE status IN ('pending', 'running')"
    # At the site's pace, one of a server with more files of its own would take minutes.
    for (job,) in live.site.rows(active):
        live.site.manage("canceljob", str(job))
    wait_until(lambda: not live.site.rows(active))
    with_running_backup(live, reader)


def job_of(live: LiveSite) -> int:
    return int(live.site.rows("SELECT max(id) FROM backups_job")[0][0])


def test_a_backup_is_requested_and_watched(reader: Reader) -> None:
    page = reader.open("/instances/bank-1/")
    page.get_by_role("button", name="Back up now").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Backup of bank-1")
    # It goes on by itself: the page is not loaded again.
    page.evaluate("window.mark = 1")
    shown = page.locator("#job .status-running").first
    shown.wait_for()
    first = page.locator(BYTES).inner_text()
    expect(page.locator(BYTES)).not_to_have_text(first, timeout=20_000)
    assert page.evaluate("window.mark") == 1


def test_every_page_can_be_read_by_everybody(live: LiveSite, reader: Reader) -> None:
    addresses = [found for page in pages() if (found := address(live, *page))]
    target = live.folder / "restored"
    (copy,) = live.site.rows("SELECT id FROM backups_backupcopy")[0]
    addresses += ["/restore/?instance=bank-1", f"/restore/?copy={copy}&target={target}"]
    assert len(addresses) > 15
    for each in addresses:
        reader.look_closely(each)


def test_the_admin_belongs_to_the_site(reader: Reader) -> None:
    page = reader.open("/admin/backups/instance/")
    page.get_by_role("link", name="Mooring").click()
    expect(page).to_have_title("Fleet · Mooring")


def test_everything_can_be_done_by_keyboard(live: LiveSite, reader: Reader) -> None:
    with_running_backup(live, reader)
    page = reader.open(f"/jobs/{job_of(live)}/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip-link"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    opener = page.locator("[data-dialog]").first
    opener.focus()
    page.keyboard.press("Enter")
    expect(page.locator("dialog:modal")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog:modal")).to_have_count(0)
    assert page.evaluate("document.activeElement.matches('[data-dialog]')")


def test_the_chosen_theme_is_there_on_the_next_page(reader: Reader) -> None:
    page = reader.open("/")
    page.get_by_role("button", name="Dark").click()
    for path in ("/", "/repositories/", "/admin/"):
        reader.open(path)
        scheme = page.evaluate("getComputedStyle(document.documentElement).colorScheme")
        assert scheme == "dark", path
    reader.open("/").get_by_role("button", name="System").click()


def test_a_schedule_is_made_while_its_times_are_shown(reader: Reader) -> None:
    page = reader.open("/add/schedule/")
    page.get_by_role("textbox", name="Name", exact=True).fill("nightly")
    page.get_by_label("Cron expression").fill("61 2 * * *")
    expect(page.locator(".preview .unknown")).to_contain_text("61")
    page.get_by_label("Cron expression").fill("30 2 * * *")
    page.get_by_label("All instances").check()
    expect(page.locator(".preview .slots tbody tr:not(.note)")).to_have_count(10)
    expect(page.locator(".preview")).to_contain_text("1 instance would be covered: bank-1")
    page.get_by_role("button", name="Save schedule").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("nightly")
    for path in ("/schedules/nightly/", "/schedules/nightly/edit/", "/schedules/", "/calendar/"):
        reader.look_closely(path)


def test_a_group_has_a_page_of_its_own(reader: Reader) -> None:
    page = reader.open("/settings/groups/add/")
    page.get_by_role("textbox", name="Name", exact=True).fill("shops")
    page.get_by_label("Instances").fill("bank-1")
    page.get_by_role("button", name="Save group").click()
    reader.look_closely("/groups/shops/")
    expect(page.get_by_role("link", name="bank-1").first).to_be_visible()


def test_an_instance_is_tested_before_it_is_added(live: LiveSite, reader: Reader) -> None:
    page = reader.open("/settings/instances/add/")
    page.get_by_role("textbox", name="Name", exact=True).fill("bank-2")
    page.get_by_label("Socket").fill(live.mariadb.socket)
    page.get_by_role("textbox", name="User", exact=True).fill("celery")
    page.get_by_label("Engine").select_option("mariadb_backup")
    expect(page.locator("pre").first).to_contain_text("TO `celery`@`localhost`")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Test connection").click()
    expect(page.locator("#test")).to_contain_text("access denied", timeout=30_000)
    page.get_by_label("Password").fill(live.password)
    page.get_by_role("button", name="Test connection").click()
    expect(page.locator("#test")).to_contain_text("A backup can be taken", timeout=30_000)
    assert live.password not in page.content()
    page.get_by_role("button", name="Add instance").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("bank-2")


def test_a_running_backup_is_cancelled(live: LiveSite, reader: Reader) -> None:
    with_new_backup(live, reader)
    number = job_of(live)
    page = reader.open(f"/jobs/{number}/")
    page.locator("[data-dialog]").first.click()
    page.locator("dialog:modal button[type=submit]").click()
    page.locator("#job .status-cancelled").first.wait_for()
    wait_until(
        lambda: live.site.rows(f"SELECT 1 FROM backups_job WHERE id = {number} AND NOT leftovers")
    )


def test_an_alert_is_acknowledged_with_a_word(live: LiveSite, reader: Reader) -> None:
    # A missing privilege would be a refusal, and one that a person requested raises no alert.
    live.mariadb.execute("ALTER USER celery@'%' ACCOUNT LOCK")
    try:
        assert live.site.manage("takebackup", "bank-1", "--foreground")["status"] == "failed"
    finally:
        live.mariadb.execute("ALTER USER celery@'%' ACCOUNT UNLOCK")
    page = reader.open("/alerts/")
    # The rules are asked every ten seconds, and so is the page.
    row = page.locator("#alerts tbody tr").filter(has_text="full backup").first
    row.wait_for(timeout=60_000)
    row.get_by_role("checkbox").check()
    page.get_by_placeholder("Comment").fill("I look at it")
    page.get_by_role("button", name="Acknowledge selected").click()
    expect(page.locator("#alerts")).to_contain_text("admin: I look at it")
    (alert,) = live.site.rows("SELECT id FROM alerts_alert WHERE comment = 'I look at it'")[0]
    for path in ("/alerts/", f"/alerts/{alert}/", "/alerts/history/"):
        reader.look_closely(path)


def test_a_backup_is_restored_by_the_wizard(live: LiveSite, reader: Reader) -> None:
    target = live.folder / "restored"
    page = reader.open("/restore/")
    page.get_by_role("link", name="bank-1").first.click()
    page.get_by_role("link", name=re.compile("main")).first.click()
    page.get_by_label("Target folder").fill(str(target))
    page.get_by_role("button", name="Show the plan").click()
    expect(page.locator(".checks .status-failed")).to_have_count(0)
    page.get_by_label(re.compile("^Type")).fill(str(target))
    page.get_by_role("button", name="Start restore").click()
    page.locator("#job .status-succeeded").first.wait_for(timeout=40_000)
    assert (target / "ibdata1").exists()


def test_rows_of_two_backups_are_compared(live: LiveSite, reader: Reader) -> None:
    live.site.environment["MOORING_THROTTLE_BYTES_PER_S"] = "0"
    run = live.mariadb.execute
    run("CREATE DATABASE things", "CREATE TABLE things.parts (id INT PRIMARY KEY, name VARCHAR(9))")
    run("INSERT INTO things.parts VALUES (1, 'bolt'), (2, 'nut'), (3, 'nail')")
    first, second = _taken(live), ""
    try:
        run("UPDATE things.parts SET name = 'screw' WHERE id = 3")
        second = _taken(live)
    finally:
        run("DROP DATABASE things")
    page = reader.open(f"/backups/{second}/compare/?with={first}&q=parts")
    row = page.locator("tr").filter(has_text="things.parts")
    row.get_by_role("button", name="Compare rows").click()
    expect(page.locator(".different-rows")).to_contain_text("screw")
    expect(page.get_by_text("1 changed, 2 equal, by the key id.")).to_be_visible()
    reader.look_closely(page.url.removeprefix(live.address))
    page.get_by_role("button", name="Close tables").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(second)
    reader.look_closely(f"/backups/{second}/compare/?with={first}&q=parts")
    expect(page.locator("tr").filter(has_text="things.parts")).to_contain_text("1 differ")


def _taken(live: LiveSite) -> str:
    return str(live.site.manage("takebackup", "bank-1", "--foreground")["label"])
