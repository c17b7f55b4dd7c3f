"""How do worker connections help? Each attaches to the clone and receives a share of its blocks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from backups.clone_protocol.barrier import Barrier
from backups.clone_protocol.deliveries import deliveries
from backups.clone_protocol.descriptors import (
    DataDescriptor,
    FileDescriptor,
    State,
    StateDescriptor,
    StateFlag,
)
from backups.clone_protocol.envelope import Command
from backups.clone_protocol.errors import DonorError, ProtocolError
from backups.clone_protocol.spool import Lane, Spool
from backups.clone_protocol.transport import CloneConnection

# How long the donor may take to answer EXIT, or to notice an abort.
GOODBYE_SECONDS = 10.0


class Workers:
    """The worker connections of one clone, each with a thread of its own."""

    def __init__(
        self,
        channels: Sequence[CloneConnection],
        spool: Spool,
        barrier: Barrier,
        on_failure: Callable[[Exception], None],
    ) -> None:
        self._channels = channels
        self._spool = spool
        self._barrier = barrier
        self._on_failure = on_failure
        self._threads: list[threading.Thread] = []
        # How many the donor accepted.
        self.attached = 0

    def start(self, opening: bytes) -> None:
        """Attach them all. Call it once the donor has announced every file of the file copy."""
        for number, channel in enumerate(self._channels):
            thread = threading.Thread(
                target=self._run,
                args=(number, channel, opening),
                name=f"clone-{channel.name}",
                daemon=True,
            )
            self._threads.append(thread)
            thread.start()

    def join(self, timeout_seconds: float | None = None) -> None:
        """Wait until each has disconnected."""
        for thread in self._threads:
            thread.join(timeout_seconds)

    def sever(self) -> None:
        """End all connections now."""
        for channel in self._channels:
            channel.sever()

    def close(self) -> None:
        """End the connections once their threads have ended."""
        for channel in self._channels:
            channel.close()

    def _run(self, number: int, channel: CloneConnection, opening: bytes) -> None:
        try:
            # Registered before it attaches: the donor may end the state right after its answer.
            if self._barrier.join(number) and self._attach(number, channel, opening):
                self._copy(number, channel)
                self._barrier.leave(number)
            channel.leave(GOODBYE_SECONDS)
        except Exception as exc:
            # Any error: without this share the clone is incomplete.
            self._on_failure(exc)

    def _attach(self, number: int, channel: CloneConnection, opening: bytes) -> bool:
        """Return whether the donor accepts this connection; if not, the copy goes on without."""
        channel.send(Command.ATTACH, opening)
        try:
            channel.expect_complete()
        except DonorError:
            self._barrier.leave(number)
            return False
        self.attached += 1
        channel.send(Command.EXECUTE)
        return True

    def _copy(self, number: int, channel: CloneConnection) -> None:
        lane, ended = Lane(), State.INIT
        for descriptor, payload in deliveries(channel):
            match descriptor:
                case StateDescriptor(flag=StateFlag.START):
                    self._barrier.wait_open(descriptor.state)
                case StateDescriptor(flag=StateFlag.END):
                    ended = descriptor.state
                    self._barrier.end(number, ended)
                case FileDescriptor() | DataDescriptor():
                    if descriptor.state <= ended:
                        raise ProtocolError(f"the donor sent more of {ended.name} after its end")
                    self._barrier.wait_open(descriptor.state)
                    self._spool.put(descriptor, payload, lane)
