"""Whoever guesses passwords is stopped, and nobody else is."""

from __future__ import annotations

from datetime import timedelta

import time_machine
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import TestCase, override_settings
from django.urls import reverse
from django.utils.timezone import now

from backups.models import Activity
from backups.models.activity import Verb
from monitor.access.lockout import TOO_MANY_REQUESTS
from monitor.access.login_activity import MOST_FAILURES
from tests.monitor.rows import make_user

LIMIT = settings.AXES_FAILURE_LIMIT
COOL_OFF = settings.AXES_COOLOFF_TIME
RIGHT, WRONG = "a long password", "tr0ub4dor"
THIRD_PARTY = "198.51.100.7"


class LockoutTestCase(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        make_user("victor")
        make_user("olga")

    def log_in(
        self, password: str, name: str = "victor", address: str = "192.0.2.1", path: str = "/login/"
    ) -> HttpResponse:
        words = {"username": name, "password": password}
        response = self.client.post(path, words, REMOTE_ADDR=address)
        assert isinstance(response, HttpResponse)
        return response

    def guess(self, times: int, name: str = "victor") -> list[int]:
        return [self.log_in(WRONG, name).status_code for _ in range(times)]

    def test_the_limit_is_exact(self) -> None:
        self.assertEqual(self.guess(LIMIT), [200] * (LIMIT - 1) + [TOO_MANY_REQUESTS])
        self.assertEqual(self.log_in(RIGHT).status_code, TOO_MANY_REQUESTS)

    def test_one_failure_less_and_the_right_password_opens(self) -> None:
        self.guess(LIMIT - 1)
        self.assertEqual(self.log_in(RIGHT).status_code, 302)
        self.client.logout()
        # A login that succeeded ends the count.
        self.assertEqual(self.guess(LIMIT - 1), [200] * (LIMIT - 1))

    def test_others_behind_the_same_proxy_get_in(self) -> None:
        self.guess(LIMIT)
        self.assertEqual(self.log_in(RIGHT, "olga").status_code, 302)

    def test_the_same_user_gets_in_from_elsewhere(self) -> None:
        self.guess(LIMIT)
        self.assertEqual(self.log_in(RIGHT, address="192.0.2.2").status_code, 302)

    def test_the_page_says_when_to_try_again_and_is_right(self) -> None:
        with time_machine.travel("2026-03-02 01:00:10Z", tick=False) as clock:
            self.guess(LIMIT)
            clock.shift(timedelta(seconds=50))
            # Trying meanwhile does not make it longer.
            response = self.log_in(RIGHT)
            text = response.content.decode()
            self.assertIn("01:15", text)
            self.assertIn("in 15 minutes", text)
            self.assertEqual(response["Retry-After"], "900")
            self.assertIn("no-store", response["Cache-Control"])
            clock.move_to(now() + COOL_OFF - timedelta(seconds=51))
            self.assertEqual(self.log_in(RIGHT).status_code, TOO_MANY_REQUESTS)
            clock.shift(timedelta(seconds=2))
            self.assertEqual(self.log_in(RIGHT).status_code, 302)

    def test_the_admins_own_login_counts_the_same_failures(self) -> None:
        response = self.log_in(RIGHT, path="/admin/login/")
        self.assertEqual(response.status_code, 302)
        self.assertTrue(response["Location"].startswith("/login/?next="))
        self.assertNotIn("_auth_user_id", self.client.session)

    def test_a_name_nobody_has_is_counted_and_not_kept(self) -> None:
        # People type passwords where the name belongs.
        codes = self.guess(LIMIT, "my-pa55word")
        self.assertEqual(codes[-1], TOO_MANY_REQUESTS)
        kept = [*AccessAttempt.objects.values_list(), *Activity.objects.values_list()]
        self.assertNotIn("my-pa55word", str(kept))
        self.assertNotIn(WRONG, str(kept))

    def test_names_made_up_one_after_the_other_do_not_fill_the_disk(self) -> None:
        for number in range(MOST_FAILURES + 5):
            self.log_in(WRONG, name=f"made up {number}")
        kept = Activity.objects.filter(verb=Verb.LOGIN_FAILED)
        self.assertEqual(kept.count(), MOST_FAILURES)
        self.log_in(WRONG)
        self.assertEqual(kept.first().actor, "victor")  # type: ignore[union-attr]

    def test_what_is_kept_of_it(self) -> None:
        self.guess(LIMIT + 3)
        self.guess(1, "olga")
        self.guess(1, "nobody")
        rows = Activity.objects.order_by("id").values_list("verb", "actor", "address")
        self.assertEqual(
            list(rows),
            [(Verb.LOGIN_FAILED, "victor", "192.0.2.1")] * (LIMIT - 1)
            + [(Verb.LOCKED_OUT, "victor", "192.0.2.1")]
            + [(Verb.LOGIN_FAILED, "olga", "192.0.2.1")]
            + [(Verb.LOGIN_FAILED, "unknown user", "192.0.2.1")],
        )

    def test_a_login_and_a_log_out_are_kept(self) -> None:
        self.log_in(RIGHT)
        self.client.post(reverse("logout"), REMOTE_ADDR="192.0.2.1")
        rows = Activity.objects.order_by("id").values_list("verb", "actor", "via", "address")
        self.assertEqual(
            list(rows),
            [
                (Verb.LOGGED_IN, "victor", "site", "192.0.2.1"),
                (Verb.LOGGED_OUT, "victor", "site", "192.0.2.1"),
            ],
        )


class AddressTestCase(TestCase):
    """Which address is believed."""

    def address(self, forwarded: str, remote: str = "192.0.2.1") -> str:
        User.objects.get_or_create(username="victor")
        words = {"username": "victor", "password": WRONG}
        headers = {"X-Forwarded-For": forwarded} if forwarded else None
        self.client.post("/login/", words, headers=headers, REMOTE_ADDR=remote)
        return Activity.objects.latest("id").address

    def test_without_a_proxy_nobody_is_believed(self) -> None:
        self.assertEqual(self.address(THIRD_PARTY), "192.0.2.1")

    @override_settings(TRUSTED_PROXIES=1)
    def test_one_proxy_is_believed_for_what_it_added(self) -> None:
        for forwarded, expected in [
            (THIRD_PARTY, THIRD_PARTY),
            (f"203.0.113.9, {THIRD_PARTY}", THIRD_PARTY),
            ("nonsense", "192.0.2.1"),
            ("", "192.0.2.1"),
        ]:
            with self.subTest(forwarded):
                self.assertEqual(self.address(forwarded), expected)

    @override_settings(TRUSTED_PROXIES=2)
    def test_two_proxies(self) -> None:
        self.assertEqual(self.address(f"203.0.113.9, {THIRD_PARTY}, 192.0.2.9"), THIRD_PARTY)

    def test_a_unix_socket_has_none(self) -> None:
        self.assertEqual(self.address("", remote=""), "")


class CookieTestCase(TestCase):
    def test_a_cookie_is_nobody_elses(self) -> None:
        make_user("victor")
        self.client.post("/login/", {"username": "victor", "password": RIGHT})
        for name in ("sessionid", "csrftoken"):
            cookie = self.client.cookies[name]
            with self.subTest(name):
                self.assertTrue(cookie["httponly"])
                self.assertEqual(cookie["samesite"], "Lax")
        self.assertEqual(self.client.cookies["sessionid"]["max-age"], 12 * 3600)

    @override_settings(SESSION_COOKIE_SECURE=True, CSRF_COOKIE_SECURE=True)
    def test_behind_tls_it_travels_nowhere_else(self) -> None:
        make_user("victor")
        self.client.post("/login/", {"username": "victor", "password": RIGHT})
        self.assertTrue(self.client.cookies["sessionid"]["secure"])
