"""The site: pages, settings and the Celery application."""

from __future__ import annotations

from monitor.celery import app as celery_app

__all__ = ["celery_app"]
