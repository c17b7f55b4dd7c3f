"""The site as Django apps: pages and their selectors, no models; and the admin."""

from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin.apps import SimpleAdminConfig


class MonitorConfig(AppConfig):
    name = "monitor"

    def ready(self) -> None:
        from monitor.access import login_activity

        login_activity.connect()


class MooringAdminConfig(SimpleAdminConfig):
    """The admin's pages are loaded with the addresses: only the web process has a use for them."""

    default_site = "monitor.admin_site.MooringAdminSite"
