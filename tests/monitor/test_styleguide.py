from __future__ import annotations

from django.test import TestCase
from django.urls import reverse

from monitor.wording.tones import TONES
from tests.monitor.rows import make_user


class StyleguideTestCase(TestCase):
    def test_only_admins_see_it(self) -> None:
        for group, expected in [("viewer", 403), ("operator", 403), ("admin", 200)]:
            with self.subTest(group):
                self.client.force_login(make_user(f"a-{group}", group))
                self.assertEqual(self.client.get(reverse("styleguide")).status_code, expected)

    def test_it_shows_every_status(self) -> None:
        self.client.force_login(make_user("ada", "admin"))
        text = self.client.get(reverse("styleguide")).content.decode()
        for status in TONES:
            self.assertIn(f'class="badge status-{status}"', text)
