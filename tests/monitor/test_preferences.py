from __future__ import annotations

from datetime import UTC, datetime

from django.contrib.auth.models import User
from django.test import SimpleTestCase, TestCase
from django.urls import reverse
from django.utils import timezone

from monitor.preferences import read_preferences, zone_named
from tests.markup import one_line
from tests.monitor.rows import make_instance, make_user


class CookiesTestCase(SimpleTestCase):
    def test_what_a_cookie_says_is_believed_only_when_it_is_known(self) -> None:
        for cookies, theme, density, zone in [
            ({}, "system", "comfortable", "UTC"),
            ({"theme": "dark", "density": "compact"}, "dark", "compact", "UTC"),
            ({"theme": 'dark"><script>', "density": "x"}, "system", "comfortable", "UTC"),
            ({"zone": "Europe/Berlin"}, "system", "comfortable", "Europe/Berlin"),
        ]:
            with self.subTest(str(cookies)):
                found = read_preferences(cookies)
                self.assertEqual(
                    (found.theme, found.density, found.zone.key), (theme, density, zone)
                )

    def test_no_zone_reaches_the_file_system(self) -> None:
        for name in ("", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "x" * 5000, "a\0b"):
            with self.subTest(name[:20]):
                self.assertEqual(zone_named(name).key, "UTC")


class PagesInAZoneTestCase(TestCase):
    victor: User
    address: str

    @classmethod
    def setUpTestData(cls) -> None:
        cls.victor = make_user("victor", "viewer")
        orders = make_instance("orders-1")
        orders.seen_at = datetime(2026, 1, 15, 12, tzinfo=UTC)
        orders.save()
        cls.address = reverse("instance-detail", args=["orders-1"])

    def setUp(self) -> None:
        self.client.force_login(self.victor)

    def test_times_are_in_the_zone_of_the_reader(self) -> None:
        self.client.cookies["zone"] = "Asia/Kolkata"
        response = self.client.get(self.address)
        self.assertContains(response, 'title="2026-01-15 17:30:00 IST"')
        self.assertContains(response, "Times in Asia/Kolkata")

    def test_they_are_in_utc_where_nobody_said(self) -> None:
        self.client.cookies["zone"] = "Nowhere/At_all"
        self.assertContains(self.client.get(self.address), 'title="2026-01-15 12:00:00 UTC"')

    def test_the_zone_of_one_reader_is_not_the_next_ones(self) -> None:
        self.client.cookies["zone"] = "Asia/Kolkata"
        self.client.get(self.address)
        self.assertEqual(timezone.get_current_timezone_name(), "UTC")


class SwitchesTestCase(TestCase):
    def setUp(self) -> None:
        self.client.force_login(make_user("victor", "viewer"))

    def test_a_theme_is_remembered_and_drawn_by_the_server(self) -> None:
        self.assertContains(self.client.get("/"), 'data-theme="system"')
        response = self.client.post(reverse("preferences"), {"theme": "dark", "next": "/?page=2"})
        self.assertRedirects(response, "/?page=2", fetch_redirect_response=False)
        page = self.client.get("/")
        self.assertContains(page, 'data-theme="dark"')
        self.assertContains(page, '<meta name="color-scheme" content="dark">')

    def test_one_switch_leaves_the_other_alone(self) -> None:
        self.client.post(reverse("preferences"), {"density": "compact"})
        self.client.post(reverse("preferences"), {"theme": "light"})
        page = one_line(self.client.get("/").content.decode())
        self.assertIn('data-theme="light" data-density="compact"', page)

    def test_a_word_nobody_knows_is_the_default(self) -> None:
        self.client.post(reverse("preferences"), {"theme": "neon"})
        self.assertEqual(self.client.cookies["theme"].value, "system")

    def test_it_never_leads_to_another_site(self) -> None:
        for page in (
            "https://evil.example/", "//evil.example/", "/\\evil.example/", "javascript:alert(1)",
            "abc", "alerts", "",
        ):  # fmt: skip
            with self.subTest(page):
                response = self.client.post(reverse("preferences"), {"theme": "dark", "next": page})
                self.assertRedirects(response, reverse("fleet"))
