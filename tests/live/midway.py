"""Something that happens to a job while it copies."""

from __future__ import annotations

import threading
import time

from django.db import connection

from backups.models import Job
from backups.states import JobStatus


class Midway:
    """Does something once the one job at work has copied some bytes."""

    def __init__(self, act: object) -> None:
        assert callable(act)
        self._act = act
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
            while not Job.objects.filter(status=JobStatus.RUNNING, stored_bytes__gt=0).exists():
                assert time.monotonic() < until, "no byte was copied"
                time.sleep(0.05)
            self._act()
        except BaseException as exc:
            self._error = exc
        finally:
            connection.close()
