"""Something that happens to a job while it copies."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from django.db import connection

from backups.models import Job
from backups.states import JobStatus


def has_copied() -> bool:
    """Whether the one job at work has copied some bytes."""
    return Job.objects.filter(status=JobStatus.RUNNING, stored_bytes__gt=0).exists()


class Midway:
    """Does something once a job at work has come to some point."""

    def __init__(
        self, act: Callable[[], object], *, reached: Callable[[], bool] = has_copied
    ) -> None:
        self._act, self._reached = act, reached
        self._thread = threading.Thread(target=self._wait)
        self._error: BaseException | None = None

    def __enter__(self) -> Midway:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        if self._error:
            raise self._error

    def _wait(self) -> None:
        until = time.monotonic() + 30
        try:
            while not self._reached():
                assert time.monotonic() < until, "the job did not come to that point"
                time.sleep(0.05)
            self._act()
        except BaseException as exc:
            self._error = exc
        finally:
            connection.close()
