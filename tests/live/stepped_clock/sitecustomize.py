"""What time is it for a process of a test? Python imports this where its folder is in the path.

The wall clock is off by the seconds in a file, which a test may change at any moment. Clocks that
nobody can set are as they are.
"""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta
from pathlib import Path

from django.utils import timezone

OFFSET = Path(os.environ["MOORING_TEST_CLOCK"])
_now, _time = timezone.now, time.time


def _seconds() -> int:
    return int(OFFSET.read_text() or 0)


def now() -> datetime:
    return _now() + timedelta(seconds=_seconds())


timezone.now = now
time.time = lambda: _time() + _seconds()
