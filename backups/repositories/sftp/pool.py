"""Which sessions does this process have open? One for each account of a server.

A login takes longer than most of what is requested afterwards, and stores are made for each job
and page. An unused session closes by itself; a forked process begins without any.
"""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from backups.repositories.sftp.connection import SftpConnection
from backups.repositories.sftp.line import Dialer
from backups.repositories.sftp.requests import SftpRequests


class Pool:
    """Sessions by the key of their dialer."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._dialing: defaultdict[object, threading.Lock] = defaultdict(threading.Lock)
        self._sessions: dict[object, SftpRequests] = {}

    def hold(self, dialer: Dialer) -> SftpRequests:
        """Return a session that stays open until it is released."""
        with self._guard:
            dialing = self._dialing[dialer.key]
        # Who comes while one logs in waits for that login.
        with dialing:
            requests = self._sessions.get(dialer.key)
            if requests is None or not requests.session.hold():
                requests = SftpRequests(SftpConnection(dialer))
                requests.session.hold()
                self._sessions[dialer.key] = requests
        return requests


_pool = Pool()


def hold(dialer: Dialer) -> SftpRequests:
    return _pool.hold(dialer)


@contextmanager
def session(dialer: Dialer) -> Iterator[SftpRequests]:
    """Hold the session of an account for a while."""
    requests = hold(dialer)
    try:
        yield requests
    finally:
        requests.session.release()


def _begin_empty() -> None:
    global _pool
    _pool = Pool()


os.register_at_fork(after_in_child=_begin_empty)
