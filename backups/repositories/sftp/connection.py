"""How do many threads share one SFTP session, and when is it given up?

Each request has a number, and whoever sent it waits for the response of that number: the requests
of an upload and of several reads are on their way at the same time. Nothing is queued here: a
request is in the pipe when ``send`` returns, and the pipe holds back who sends too fast.

A session is given up when something is awaited and not a byte has moved for a while: a server that
is slow is not one that hangs. A busy session is given up as well when its oldest request moves no
more: a server answers in order, or nearly, so what was sent later is answered at the cost of one
that hangs. Each request therefore has a limit of its own, which begins when it is the oldest.

Silence is what was listened to: a worker that was suspended itself reads what has arrived meanwhile
before it judges, and the time in which it did not look counts for nobody.
"""

from __future__ import annotations

import os
import select
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from typing import IO

from backups.exceptions import MooringError, RepositoryError
from backups.repositories.sftp.line import Dialer, Line
from backups.repositories.sftp.packets import (
    MAX_PACKET_BYTES,
    VERSION,
    Fields,
    Kind,
    NotSftp,
    packet,
)

STALL_SECONDS = 60.0
# To log in, or be refused.
GREETING_SECONDS = 30.0
# After which an unused session is closed.
IDLE_SECONDS = 60.0
# How often a silence is measured.
LOOK_SECONDS = 1.0
READ_BYTES = 256 * 1024
# Of what the line prints for people, the end is kept.
MESSAGE_BYTES = 16 * 1024
NOT_SFTP_HINT = (
    "Check that the server offers the subsystem sftp to this account, and that no file of its "
    "shell prints text at login."
)

Response = tuple[int, Fields]


class SessionOver(RepositoryError):
    """The session ended, or none could be begun: why, without what was to be done in it."""


@dataclass(slots=True)
class _Awaited:
    """A request whose response has not arrived."""

    future: Future[Response]
    # How long it is borne that it does not move.
    patience: float
    # When it was sent, became the oldest, or a part of its response arrived; None: not sent yet.
    moved: float | None = None


class SftpConnection:
    """A session over a line; ended for good by its first error."""

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer
        self._line = _dial(dialer)
        # Our own: the line closes its pipe from another thread, and the number may be used again.
        self._input = os.dup(_descriptor(self._line.stdin))
        os.set_blocking(self._input, False)
        self._messages = b""
        self._holders = 0
        self._sending, self._state = threading.Lock(), threading.Lock()
        # By number, the oldest first.
        self._awaited: dict[int, _Awaited] = {}
        self._number = 0
        self._moved = time.monotonic()
        self._error: SessionOver | None = None
        self._over = threading.Event()
        self._listener = threading.Thread(target=self._read_messages, daemon=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._listener.start()
        self._reader.start()
        self.extensions = self._greet()

    @property
    def is_over(self) -> bool:
        return self._error is not None

    def send(self, kind: Kind, *fields: bytes, patience: float = 0.0) -> Future[Response]:
        """Send a request; the response is awaited by whoever needs it."""
        with self._state:
            self._number += 1
            number = self._number & 0xFFFFFFFF
        return self._send(number, packet(kind, number, *fields), patience or STALL_SECONDS)

    def hold(self) -> bool:
        """Keep the session open while it is unused; False if it is over."""
        with self._state:
            if self._error is None:
                self._holders += 1
            return self._error is None

    def release(self) -> None:
        with self._state:
            self._holders -= 1
            self._moved = time.monotonic()

    def close(self) -> None:
        self._end(SessionOver("the connection was closed", transient=True))

    def _greet(self) -> dict[bytes, bytes]:
        # The number of this only packet without one is the version.
        kind, fields = self._send(0, packet(Kind.INIT, VERSION), GREETING_SECONDS).result()
        try:
            if kind != Kind.SERVER_VERSION or fields.number() < VERSION:
                raise NotSftp("it is no server of SFTP version 3")
            return dict(fields.pairs())
        except NotSftp as exc:
            self._end(error := _not_sftp(exc))
            raise error from None

    def _send(self, number: int, content: bytes, patience: float) -> Future[Response]:
        future: Future[Response] = Future()
        with self._state:
            if self._error is not None:
                raise _again(self._error)
            if not self._awaited:
                self._moved = time.monotonic()
            awaited = self._awaited[number] = _Awaited(future, patience)
        with self._sending:
            self._write(content)
            awaited.moved = time.monotonic()
        return future

    def _write(self, content: bytes) -> None:
        poll = select.poll()
        poll.register(self._input, select.POLLOUT)
        view = memoryview(content)
        while view:
            if self._error is not None:
                raise _again(self._error)
            try:
                view = view[os.write(self._input, view) :]
                self._moved = time.monotonic()
            except BlockingIOError:
                poll.poll(LOOK_SECONDS * 1000)
            except OSError:
                # The reader finds out why, from the messages.
                if not self._over.wait(LOOK_SECONDS):
                    self._line.stop()
                    self._over.wait(GREETING_SECONDS)
                raise self._error or _lost() from None

    def _read(self) -> None:
        """Hand each response to who waits for it, until the session ends."""
        arrived = bytearray()
        descriptor = self._line.stdout.fileno()
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        looked = time.monotonic()
        while self._error is None:
            ready = poll.poll(LOOK_SECONDS * 1000)
            self._leave_out(time.monotonic() - looked - LOOK_SECONDS)
            if ready and not self._read_more(descriptor, arrived):
                break
            if not ready or time.monotonic() - looked > LOOK_SECONDS:
                self._mind_silence()
                looked = time.monotonic()
        self._line.stop()
        self._listener.join(LOOK_SECONDS)
        self._line.close()
        with self._sending:
            os.close(self._input)

    def _read_more(self, descriptor: int, arrived: bytearray) -> bool:
        """Read and hand over what has come; False at the end of the line."""
        more = os.read(descriptor, READ_BYTES)
        if not more:
            self._end(self._ended())
            return False
        self._moved = time.monotonic()
        arrived += more
        try:
            self._hand_over(arrived)
        except NotSftp as exc:
            self._end(_not_sftp(exc))
        return True

    def _leave_out(self, seconds: float) -> None:
        """Count no time in which nobody looked, because this process stood still."""
        if seconds <= LOOK_SECONDS:
            return
        with self._state:
            self._moved += seconds
            for awaited in self._awaited.values():
                if awaited.moved is not None:
                    awaited.moved += seconds

    def _hand_over(self, arrived: bytearray) -> None:
        """Take the whole packets out of what has arrived."""
        while len(arrived) >= 9:
            length = int.from_bytes(arrived[:4], "big")
            if not 5 <= length <= MAX_PACKET_BYTES:
                raise NotSftp(f"a packet of {length} bytes")
            if len(arrived) < 4 + length:
                self._note_part(int.from_bytes(arrived[5:9], "big"))
                return
            kind = arrived[4]
            greeting = kind == Kind.SERVER_VERSION
            number = 0 if greeting else int.from_bytes(arrived[5:9], "big")
            fields = Fields(bytes(arrived[5 if greeting else 9 : 4 + length]))
            del arrived[: 4 + length]
            if (awaited := self._take(number)) is None:
                raise NotSftp(f"a response to request {number}, which nobody made")
            awaited.future.set_result((kind, fields))

    def _note_part(self, number: int) -> None:
        with self._state:
            if (awaited := self._awaited.get(number)) is not None and awaited.moved is not None:
                awaited.moved = time.monotonic()

    def _take(self, number: int) -> _Awaited | None:
        """Return who awaits a response; if it was the oldest request, the next one is now."""
        with self._state:
            was_oldest = number == next(iter(self._awaited), None)
            awaited = self._awaited.pop(number, None)
            oldest = next(iter(self._awaited.values()), None)
            if was_oldest and oldest is not None and oldest.moved is not None:
                oldest.moved = time.monotonic()
        return awaited

    def _mind_silence(self) -> None:
        with self._state:
            patience = max((one.patience for one in self._awaited.values()), default=0.0)
            silent = time.monotonic() - self._moved
            oldest = next(iter(self._awaited.values()), None)
            still = time.monotonic() - oldest.moved if oldest and oldest.moved else 0.0
            if not patience and not self._holders and silent > IDLE_SECONDS:
                self._error = SessionOver("the connection was unused", transient=True)
        if patience and silent > patience:
            self._end(_silent(f"the server did not answer for {silent:.0f} s"))
        elif oldest is not None and still > oldest.patience:
            self._end(
                _silent(f"the server did not answer one request for {still:.0f} s, but later ones")
            )

    def _ended(self) -> SessionOver:
        """Return why the line ended: what it printed tells."""
        self._listener.join(LOOK_SECONDS)
        lines = self._messages.decode("utf-8", "replace").splitlines()
        error, transient = self._dialer.failure(lines)
        return SessionOver(str(error), hint=error.hint, transient=transient)

    def _end(self, error: SessionOver) -> None:
        with self._state:
            if self._error is None:
                self._error = error
            awaited, self._awaited = self._awaited, {}
        self._over.set()
        self._line.stop()
        for one in awaited.values():
            one.future.set_exception(_again(self._error))

    def _read_messages(self) -> None:
        while more := self._line.stderr.read(READ_BYTES):
            self._messages = (self._messages + more)[-MESSAGE_BYTES:]


def _dial(dialer: Dialer) -> Line:
    try:
        return dialer.dial()
    except MooringError as exc:
        raise SessionOver(str(exc), hint=exc.hint) from None


def _descriptor(pipe: IO[bytes] | None) -> int:
    if pipe is None:
        raise SessionOver("the line of an SFTP session has no standard input")
    return pipe.fileno()


def _again(error: SessionOver) -> SessionOver:
    """A copy: one that many threads raise would collect all their traces."""
    return SessionOver(str(error), hint=error.hint, transient=error.transient)


def _lost() -> SessionOver:
    return SessionOver("the connection was cut", transient=True)


def _silent(what: str) -> SessionOver:
    return SessionOver(
        what,
        hint="Look at its load and its disk; what was begun is removed or repeated.",
        transient=True,
    )


def _not_sftp(exc: NotSftp) -> SessionOver:
    return SessionOver(f"what answers is no SFTP server: {exc}", hint=NOT_SFTP_HINT)
