"""How is a clone taken? The main connection receives it, a second one acknowledges each state.

It runs in a thread of its own; ``fail`` ends it from any other. However it ends, the donor is
notified, so that it frees its snapshot at once.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from backups.clone_protocol.barrier import Barrier
from backups.clone_protocol.deliveries import NOTHING, deliveries
from backups.clone_protocol.descriptors import (
    DataDescriptor,
    FileDescriptor,
    State,
    StateDescriptor,
    StateFlag,
)
from backups.clone_protocol.envelope import (
    INNODB,
    OLDEST_PROTOCOL,
    PROTOCOL,
    Ack,
    Collation,
    Command,
    Complete,
    Described,
    Locator,
    Locators,
    Opening,
    Plugin,
    Setting,
)
from backups.clone_protocol.errors import (
    INTERRUPTED,
    CloneError,
    DonorError,
    ProtocolError,
)
from backups.clone_protocol.position import DonorProgress
from backups.clone_protocol.spool import Lane, Spool
from backups.clone_protocol.transport import CloneConnection
from backups.clone_protocol.workers import GOODBYE_SECONDS, Workers

# Servers older than this take a backup lock and read the bit as a huge time-out.
DDL_BIT_SINCE = (8, 0, 27)


@dataclass(frozen=True, slots=True)
class DonorFacts:
    """The facts a donor reports before it sends any data."""

    protocol: int
    server_version: str
    locators: Locators
    plugins: tuple[Plugin, ...] = ()
    collations: tuple[str, ...] = ()
    configuration: Mapping[str, str] = field(default_factory=dict)


def may_skip_lock(server_version: str) -> bool:
    """Whether a server of this version can be cloned without blocking DDL."""
    parsed = re.match(r"(\d+)\.(\d+)\.(\d+)", server_version)
    return parsed is not None and tuple(map(int, parsed.groups())) >= DDL_BIT_SINCE


class Client:
    """One clone from INIT to EXIT."""

    def __init__(
        self,
        main: CloneConnection,
        aux: CloneConnection,
        spool: Spool,
        barrier: Barrier,
        *,
        goodbye_seconds: float = GOODBYE_SECONDS,
    ) -> None:
        self._main = main
        self._aux = aux
        self._spool = spool
        self._barrier = barrier
        self._goodbye_seconds = goodbye_seconds
        self._begun = threading.Event()
        self._facts: DonorFacts | None = None
        self._locator: Locator | None = None
        self._opening = b""
        # Held by the thread that uses the second connection: the copy, or one that ends it.
        self._aux_lock = threading.Lock()
        self._refused = False
        # The donor has sent everything: nothing is left to abort.
        self._complete = False
        self._failure: Exception | None = None

    def run(self, workers: Workers, *, ddl_timeout_seconds: int, block_ddl: bool) -> None:
        """Copy everything into the spool, then disconnect; failures are passed to the spool."""
        try:
            self._initialise(ddl_timeout_seconds, block_ddl)
            self._copy(workers)
            workers.join()
            # A worker that failed at its very end has reported it by now.
            if self._failure:
                raise self._failure
            self._complete = True
            self._spool.finish()
        except Exception as exc:
            self.fail(exc)
            self._give_up(workers)
        for channel in (self._aux, self._main):
            channel.leave(self._goodbye_seconds)

    def facts(self) -> DonorFacts:
        """Wait for the donor's facts; raise the error if the clone ended before."""
        self._begun.wait()
        if self._facts is None:
            raise self._failure or CloneError("the clone was never started")
        return self._facts

    def fail(self, reason: Exception) -> None:
        """End the clone for this reason; the first one counts. From any thread."""
        self._failure = self._failure or reason
        self._spool.fail(self._failure)
        self._barrier.fail(self._failure)
        if self._complete:
            return
        if self._locator is None:
            # Without a locator from the donor it cannot be notified.
            self._main.sever()
        elif not isinstance(reason, DonorError) and self._aux_lock.acquire(blocking=False):
            # Otherwise the copy is using the connection, and will notify it when it sees the
            # failure.
            try:
                self._refuse()
            finally:
                self._aux_lock.release()

    def _initialise(self, ddl_timeout_seconds: int, block_ddl: bool) -> None:
        """Begin the clone. The donor may wait for locks and open every tablespace first."""
        version = self._main.server_version
        opening = Opening(PROTOCOL, ddl_timeout_seconds, not block_ddl and may_skip_lock(version))
        self._main.send(Command.INIT, opening.build())
        facts = self._read_facts(version)
        locators = facts.locators.locators
        self._opening = replace(opening, protocol=facts.protocol, locators=locators).build()
        self._locator = locators[0]
        self._facts = facts
        self._begun.set()

    def _read_facts(self, server_version: str) -> DonorFacts:
        locators: Locators | None = None
        plugins: list[Plugin] = []
        collations: list[str] = []
        settings: dict[str, str] = {}
        while not isinstance(answer := self._main.answer(), Complete):
            match answer:
                case Locators():
                    locators = answer
                case Plugin():
                    plugins.append(answer)
                case Collation():
                    collations.append(answer.name)
                case Setting():
                    settings[answer.name] = answer.value
                case Described():
                    raise ProtocolError("the donor sent a descriptor before the copy was requested")
        checked = _check(locators)
        return DonorFacts(
            *(checked.protocol, server_version, checked),
            *(tuple(plugins), tuple(collations), settings),
        )

    def _copy(self, workers: Workers) -> None:
        self._main.send(Command.EXECUTE)
        lane, position = Lane(), DonorProgress()
        for descriptor, payload in deliveries(self._main):
            match descriptor:
                case StateDescriptor(flag=StateFlag.START):
                    position.start(descriptor)
                    self._spool.put(descriptor, payload, lane)
                case StateDescriptor(flag=StateFlag.END):
                    position.end(descriptor)
                    self._end(descriptor, lane)
                case FileDescriptor() | DataDescriptor():
                    position.count(descriptor)
                    self._spool.put(descriptor, payload, lane)
            opened = position.is_open and self._barrier.open(position.state)
            if opened and position.state is State.FILE_COPY:
                workers.start(self._opening)
        position.finish()

    def _end(self, state: StateDescriptor, lane: Lane) -> None:
        """End a state, once every connection has, and before the donor continues."""
        self._barrier.open(state.state)
        self._barrier.wait_ended(state.state)
        self._spool.put(state, NOTHING, lane)
        self._acknowledge(replace(state, flag=StateFlag.ACK))

    def _acknowledge(self, state: StateDescriptor) -> None:
        """Let the donor continue, and wait for its confirmation."""
        assert self._locator is not None
        with self._aux_lock:
            if self._failure:
                raise self._failure
            self._aux.send(Command.ACK, Ack(0, self._locator, state.build()).build())
            self._aux.expect_complete()

    def _refuse(self) -> None:
        """Notify the donor, once, of the abort: it frees its snapshot at once."""
        if self._refused or self._locator is None:
            return
        self._refused = True
        with contextlib.suppress(CloneError):
            self._aux.send(Command.ACK, Ack(INTERRUPTED, self._locator).build())

    def _give_up(self, workers: Workers) -> None:
        """Stop the donor, and wait for that for a short time."""
        self._begun.set()
        with self._aux_lock:
            self._refuse()
        with contextlib.suppress(CloneError):
            self._main.discard(self._goodbye_seconds)
        workers.sever()
        workers.join()


def _check(locators: Locators | None) -> Locators:
    """Return the donor's locators, or raise ProtocolError if they are unsupported."""
    if locators is None:
        raise ProtocolError("the donor started a clone without a locator")
    if not OLDEST_PROTOCOL <= locators.protocol <= PROTOCOL:
        raise ProtocolError(f"the donor settled for the unknown protocol {locators.protocol:#x}")
    if [locator.engine for locator in locators.locators] != [INNODB]:
        engines = ", ".join(str(locator.engine) for locator in locators.locators)
        raise ProtocolError(f"the donor clones storage engines {engines}; only {INNODB} is known")
    return locators
