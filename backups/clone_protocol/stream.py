"""How is a MySQL server cloned over its port? The public interface of this package.

    with clone(endpoint.connect, workers=2) as stream:
        for record in stream.records():
            ...

When ``records`` ends without an exception, every byte has arrived and the donor has confirmed it.
The donor needs a user with BACKUP_ADMIN and the clone plugin, and nothing on its host.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from backups.clone_protocol.barrier import Barrier
from backups.clone_protocol.client import Client, DonorFacts
from backups.clone_protocol.endpoint import Connect
from backups.clone_protocol.errors import CloneStopped
from backups.clone_protocol.files import ClonedFiles, redo_path
from backups.clone_protocol.records import CloneRecord
from backups.clone_protocol.spool import Spool, SpoolLimits
from backups.clone_protocol.transport import READ_TIMEOUT_SECONDS, CloneConnection
from backups.clone_protocol.workers import GOODBYE_SECONDS, Workers

MAX_WORKERS = 15


class CloneStream:
    """A clone in progress."""

    def __init__(
        self,
        channels: Sequence[CloneConnection],
        spool: Spool,
        *,
        goodbye_seconds: float,
    ) -> None:
        """``channels`` are the main connection, the second one, and any number of workers."""
        self._channels = channels
        self._spool = spool
        self._goodbye_seconds = goodbye_seconds
        barrier = Barrier()
        main, second = channels[:2]
        self._client = Client(main, second, spool, barrier, goodbye_seconds=goodbye_seconds)
        self._workers = Workers(channels[2:], spool, barrier, self._client.fail)
        self._thread: threading.Thread | None = None

    @property
    def donor(self) -> DonorFacts:
        """The facts of the donor. Waits for them, which may take minutes."""
        return self._client.facts()

    @property
    def attached_workers(self) -> int:
        """How many worker connections the donor has accepted."""
        return self._workers.attached

    @property
    def spilled_bytes(self) -> int:
        """How much has been written to the spool file."""
        return self._spool.spilled_bytes

    def records(self) -> Iterator[CloneRecord]:
        """Yield the clone, once; raise CloneError as soon as it cannot be completed."""
        files = ClonedFiles(redo_path(self._channels[0].server_version))
        while (delivery := self._spool.take()) is not None:
            yield from files.take(delivery)

    def stop(self) -> None:
        """Stop the clone; ``records`` raises CloneStopped. From any thread, at any time."""
        self._client.fail(CloneStopped("the clone was stopped"))

    def start(self, *, ddl_timeout_seconds: int, block_ddl: bool) -> None:
        """Start the clone, which then runs in its own thread."""
        for channel in self._channels:
            channel.begin()
        self._thread = threading.Thread(
            target=self._client.run,
            args=(self._workers,),
            kwargs={"ddl_timeout_seconds": ddl_timeout_seconds, "block_ddl": block_ddl},
            name="clone-main",
            daemon=True,
        )
        self._thread.start()

    def close(self) -> None:
        """End what still runs: notify the donor, then sever the connections."""
        if self._thread is not None and self._thread.is_alive():
            self.stop()
            # The donor answers in milliseconds, unless the network is down.
            self._thread.join(self._goodbye_seconds)
        for channel in self._channels:
            channel.sever()
        if self._thread is not None:
            self._thread.join()
        self._workers.join()
        for channel in self._channels:
            channel.close()
        self._spool.close()


@contextmanager
def clone(
    connect: Connect,
    *,
    workers: int = 0,
    limits: SpoolLimits | None = None,
    spool_folder: Path | None = None,
    ddl_timeout_seconds: int = 300,
    block_ddl: bool = False,
    read_timeout_seconds: float = READ_TIMEOUT_SECONDS,
    goodbye_seconds: float = GOODBYE_SECONDS,
) -> Iterator[CloneStream]:
    """Start a clone of the server that ``connect`` reaches; leaving the context ends it.

    ``workers`` further connections share the work. DDL is not blocked during the clone unless
    ``block_ddl``, or unless the server is older than 8.0.27. What ``connect`` raises is passed on.
    """
    if not 0 <= workers <= MAX_WORKERS:
        raise ValueError(f"{workers} worker connections; 0 to {MAX_WORKERS} are possible")
    names = ["main", "second", *(f"worker-{number}" for number in range(1, workers + 1))]
    with ExitStack() as stack:
        channels = []
        for name in names:
            channel = CloneConnection(connect(), name, read_timeout_seconds=read_timeout_seconds)
            stack.callback(channel.close)
            channels.append(channel)
        spool = Spool(limits or SpoolLimits(), spool_folder)
        stream = CloneStream(channels, spool, goodbye_seconds=goodbye_seconds)
        stack.callback(stream.close)
        stream.start(ddl_timeout_seconds=ddl_timeout_seconds, block_ddl=block_ddl)
        yield stream
