"""The executor as a Django app."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import register


class BackupsConfig(AppConfig):
    name = "backups"

    def ready(self) -> None:
        from backups.executor.setting_checks import check_stalling_stages

        register(check_stalling_stages)
