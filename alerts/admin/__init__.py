"""Configuration and history of alerts in the Django admin."""

from __future__ import annotations

from alerts.admin import alert, delivery, rule

__all__ = ["alert", "delivery", "rule"]
