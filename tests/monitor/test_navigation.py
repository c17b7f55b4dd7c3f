from __future__ import annotations

from django.test import TestCase, override_settings
from django.urls import path

from monitor.navigation import PARTS, list_links
from monitor.views.health import healthz
from tests.monitor.rows import make_user


class Addresses:
    """A site of which only three parts have a page."""

    urlpatterns = [path(f"{name}/", healthz, name=name) for name in ("fleet", "alerts", "settings")]


class NavigationTestCase(TestCase):
    def test_only_parts_that_have_a_page_are_shown(self) -> None:
        ada = make_user("ada", "admin")
        with override_settings(ROOT_URLCONF=Addresses):
            links = list_links(ada, "silence-create")
        self.assertEqual([link.address for link in links], ["/fleet/", "/alerts/", "/settings/"])
        self.assertEqual([link.word for link in links if link.current], ["Alerts"])

    def test_a_viewer_is_not_shown_the_settings(self) -> None:
        words = [link.word for link in list_links(make_user("victor", "viewer"), "fleet")]
        self.assertIn("Fleet", words)
        self.assertNotIn("Settings", words)

    def test_a_job_belongs_to_the_fleet(self) -> None:
        links = list_links(make_user("victor", "viewer"), "job-detail")
        self.assertEqual([link.word for link in links if link.current], ["Fleet"])

    def test_no_page_belongs_to_two_parts(self) -> None:
        for part in PARTS:
            for word in part.owns:
                with self.subTest(word):
                    owners = [other.word for other in PARTS if word.startswith(other.owns)]
                    self.assertEqual(owners, [part.word])
