from __future__ import annotations

from django.test import TestCase
from django.urls import reverse

from tests.monitor.rows import make_repository, make_user


class LoginTestCase(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        make_user("victor")
        make_repository("plain", encrypted=False)

    def log_in(self, password: str, next_page: str = "") -> tuple[int, str, str]:
        words = {"username": "victor", "password": password, "next": next_page}
        response = self.client.post(reverse("login"), words)
        return response.status_code, response.get("Location", ""), response.content.decode()

    def test_the_right_password_opens_the_requested_page(self) -> None:
        status, location, _ = self.log_in("a long password", "/jobs/7/")
        self.assertEqual((status, location), (302, "/jobs/7/"))

    def test_it_never_sends_people_to_another_site(self) -> None:
        self.assertEqual(self.log_in("a long password", "https://example.org/")[1], "/")

    def test_a_wrong_password_says_nothing_of_which_part_was_wrong(self) -> None:
        status, _, text = self.log_in("wrong")
        self.assertEqual(status, 200)
        self.assertIn("correct username and password", text)
        self.assertNotIn("wrong", text)

    def test_strangers_learn_nothing_of_the_repositories(self) -> None:
        self.assertNotContains(self.client.get(reverse("login")), "plain")

    def test_log_out_is_a_post(self) -> None:
        self.log_in("a long password")
        self.assertRedirects(self.client.post(reverse("logout")), reverse("login"))
        self.assertEqual(self.client.get(reverse("fleet")).status_code, 302)


class UnencryptedNoticeTestCase(TestCase):
    def test_every_page_names_repositories_that_anyone_can_read(self) -> None:
        self.client.force_login(make_user("victor"))
        self.assertNotContains(self.client.get(reverse("fleet")), "Not encrypted:")
        make_repository("plain", encrypted=False)
        self.assertContains(self.client.get(reverse("fleet")), "Not encrypted:")
