"""placeholder until alertcore lands"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from alerts.models import Alert, Silence


def load_silences(now: datetime) -> list[Silence]:
    return []


def is_silenced(alert: Alert, silences: Sequence[Silence], now: datetime) -> bool:
    return False
