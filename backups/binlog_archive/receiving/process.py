"""Which receivers run in this process? One thread for each archive whose lease it has.

The main loop claims, renews and starts; a few threads ask the sources how far they are, and store
what was received. None of these keeps a receiver from receiving.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.db import Error, InterfaceError, OperationalError, connection, transaction
from django.utils.timezone import now

from backups.binlog_archive.receiving.lag import LagProbe
from backups.binlog_archive.receiving.leases import (
    claim,
    release,
    renew,
    renew_unchanged,
    wanted_archives,
)
from backups.binlog_archive.receiving.memory import give_back, share_heaps
from backups.binlog_archive.receiving.receiver import Receiver
from backups.binlog_archive.spool import SpoolPosition, spool_holder
from backups.binlog_archive.storing.store import store_ready_pieces
from backups.binlogs.dump.spool import Received
from backups.exceptions import BinlogDamaged, LeaseLost, Refused
from backups.models.binlog import BinlogArchive
from backups.units import format_bytes

logger = logging.getLogger(__name__)

# The longest that the main loop sleeps.
LOOK_SECONDS = 1.0
# How often rows are read for what shall be received, sources are asked, and pieces are stored.
CLAIM_SECONDS = 5.0
PROBE_SECONDS = 10.0
STORE_SECONDS = 5.0
# How often what is left over is tried again, and an archive is looked at that has nothing new.
BACKLOG_SECONDS, IDLE_SECONDS = 15.0, 300.0
# What waits for its age alone: after so many times it is stored, or has no transaction.
AGE_SECONDS, AGE_TRIES = 20.0, 4
# How often freed memory is given back.
TIDY_SECONDS = 60.0
PROBES_AT_ONCE, STORES_AT_ONCE = 8, 2
STOP_SECONDS = 20.0
# Less on the disk of the spool, and nothing is received: Mooring's database may be there, too.
RESERVE_BYTES = 512 << 20


@dataclass(slots=True)
class _Kept:
    """A receiver, what is done for it elsewhere, and when it is due again."""

    receiver: Receiver
    # How the row was when it was started: another address or option needs another connection.
    settings: tuple[object, ...]
    probe: LagProbe
    busy: dict[str, Future[None]] = field(default_factory=dict)
    due: dict[str, float] = field(default_factory=dict)
    written: tuple[object, ...] = ()
    # What was durable when pieces were last stored, when that was, and whether some are left.
    stored: Received | None = None
    stored_at: float = 0.0
    backlog: bool = True
    # Whether a repository failed, and how often in a row nothing new had arrived.
    failed: bool = True
    tries: int = 0

    def has_to_store(self) -> bool:
        """Whether there may be pieces to store: something has arrived, or is left over."""
        if self.receiver.durable != self.stored:
            return True
        # What is left without a fault waits for its age, or for a transaction to go with it.
        waits = self.backlog and self.tries < AGE_TRIES
        again = BACKLOG_SECONDS if self.failed else AGE_SECONDS if waits else IDLE_SECONDS
        return time.monotonic() - self.stored_at >= again

    def is_due(self, work: str, seconds: float) -> bool:
        """Whether a work is due that is not under way; it is next due after ``seconds``."""
        future, at = self.busy.get(work), time.monotonic()
        if (future is not None and not future.done()) or at < self.due.get(work, 0):
            return False
        self.due[work] = at + seconds
        return True


class ReceiverProcess:
    """All receivers of this process. ``stop`` is for any thread and for signals."""

    def __init__(self) -> None:
        self._folder = Path(settings.BINLOG_SPOOL)
        self.holder = spool_holder()
        self._kept: dict[int, _Kept] = {}
        self._over = threading.Event()
        self._looked = self._tidied = 0.0
        self._own = True

    def stop(self) -> None:
        self._over.set()

    def run(self) -> None:
        """Receive until stopped; Refused if another process uses the spool."""
        share_heaps()
        with (
            _sole_user(self._folder),
            ThreadPoolExecutor(PROBES_AT_ONCE, "probe") as probes,
            ThreadPoolExecutor(STORES_AT_ONCE, "store") as stores,
        ):
            logger.info("binlog receiver ready.", extra={"action": "receivers_ready"})
            try:
                while not self._over.is_set():
                    self._look(probes, stores)
                    self._tidy()
                    self._over.wait(LOOK_SECONDS)
            finally:
                self._end()

    def _look(self, probes: ThreadPoolExecutor, stores: ThreadPoolExecutor) -> None:
        """Do what is due."""
        self._try_write()
        if self.has_room():
            for kept in self._kept.values():
                kept.receiver.reconnect()
        for kept in self._kept.values():
            if kept.is_due("probe", PROBE_SECONDS):
                kept.busy["probe"] = probes.submit(_probe, kept.probe)
            if kept.has_to_store() and kept.is_due("store", STORE_SECONDS):
                kept.busy["store"] = stores.submit(_store, kept)

    def _tidy(self) -> None:
        if time.monotonic() - self._tidied >= TIDY_SECONDS:
            self._tidied = time.monotonic()
            give_back()

    def _try_write(self) -> None:
        """Write the rows. Without the database receivers go on, and are renewed afterwards."""
        try:
            if time.monotonic() - self._looked >= CLAIM_SECONDS:
                self._claim()
                self._looked = time.monotonic()
            self._write_all()
        except (InterfaceError, OperationalError) as exc:
            connection.close()
            # Nothing of this round is on the rows.
            for kept in self._kept.values():
                kept.written = ()
            logger.warning(
                "leases of binlog receivers not renewed, the database is unreachable: %s",
                exc,
                extra={"action": "receivers_without_database"},
            )

    def has_room(self) -> str:
        """Return why nothing may be written to the spool; blank if something may."""
        try:
            free = shutil.disk_usage(self._folder).free
        except OSError as exc:
            return f"the spool {self._folder} cannot be used: {exc.strerror}"
        if free >= RESERVE_BYTES:
            return ""
        return f"only {format_bytes(free)} are free in {self._folder}: nothing more is received"

    def _claim(self) -> None:
        wanted = {archive.pk: archive for archive in wanted_archives()}
        for pk in set(self._kept) - set(wanted):
            self._drop([self._kept.pop(pk)])
        for pk, kept in self._kept.items():
            if kept.settings != (present := _settings_of(wanted[pk])):
                kept.settings = present
                kept.probe.forget()
                kept.receiver.reconnect()
        free = [archive for pk, archive in wanted.items() if pk not in self._kept]
        for pk, token in claim(free, self.holder, own=self._own).items():
            receiver = Receiver(pk, token, has_room=self.has_room)
            self._kept[pk] = _Kept(receiver, _settings_of(wanted[pk]), LagProbe(receiver))
            receiver.start()
        self._own = False

    def _write_all(self) -> None:
        """Write in one commit; what cannot be written of one receiver costs no other its lease."""
        try:
            with transaction.atomic():
                self._write()
        except (InterfaceError, OperationalError):
            raise
        except Exception:
            for kept in list(self._kept.values()):
                self._renew_alone(kept)

    def _renew_alone(self, kept: _Kept) -> None:
        try:
            with transaction.atomic():
                self._renew(kept)
        except (InterfaceError, OperationalError):
            raise
        except Exception:
            archive = kept.receiver.archive
            logger.exception(
                "archive %s: what was received cannot be written to its row; receiving is stopped "
                "and begun again",
                archive,
                extra={"action": "receiver_not_written", "archive": archive},
            )
            # Its lease runs out, which is shown and alerted, and it is claimed again then.
            self._kept.pop(archive)
            kept.receiver.stop()
            kept.probe.forget()

    def _write(self) -> None:
        """Write what is new at once, and the leases in time."""
        unchanged = []
        for kept in list(self._kept.values()):
            present = _news_of(kept.receiver)
            if present != kept.written:
                self._renew(kept)
                kept.written = present
            elif kept.is_due("renew", settings.LEASE_RENEW_SECONDS):
                unchanged.append(kept)
        receiving = [
            kept.receiver
            for kept in unchanged
            if kept.receiver.receiving and kept.receiver.asked_at is not None
        ]
        if receiving and renew_unchanged(receiving, self.holder):
            unchanged = [kept for kept in unchanged if kept.receiver not in receiving]
        for kept in unchanged:
            self._renew(kept)

    def _renew(self, kept: _Kept) -> None:
        if not renew(kept.receiver):
            self._kept.pop(kept.receiver.archive)
            kept.receiver.stop()
            kept.probe.forget()

    def _drop(self, dropped: list[_Kept]) -> None:
        for kept in dropped:
            kept.receiver.stop()
        until = time.monotonic() + STOP_SECONDS
        for kept in dropped:
            kept.receiver.join(max(0.0, until - time.monotonic()))
            kept.probe.forget()
        release([kept.receiver for kept in dropped])

    def _end(self) -> None:
        with contextlib.suppress(Error):
            self._drop(list(self._kept.values()))
        self._kept.clear()
        connection.close()


def _news_of(receiver: Receiver) -> tuple[object, ...]:
    """Return what is to be written at once when it changes."""
    source = receiver.source
    return (
        receiver.standing,
        receiver.durable,
        tuple(receiver.warnings),
        source.get("lag_bytes"),
        source.get("source_waits"),
    )


def _settings_of(archive: BinlogArchive) -> tuple[object, ...]:
    """Return what a connection depends on."""
    instance = archive.instance
    route = ("host", "port", "socket", "user", "password_token", "tls", "tls_ca_file",
             "tls_certificate_file", "tls_key_file")  # fmt: skip
    return (archive.acknowledge, archive.server_id, *(getattr(instance, name) for name in route))


def _probe(probe: LagProbe) -> None:
    _in_thread("lag_unknown", probe.ask)


def _store(kept: _Kept) -> None:
    _in_thread("binlogs_not_stored", lambda: _store_pieces(kept))


def _store_pieces(kept: _Kept) -> None:
    """Store what is ready; LeaseLost if another process has the archive by now."""
    archive = BinlogArchive.objects.select_related("instance").get(pk=kept.receiver.archive)
    if archive.token != kept.receiver.token:
        return
    durable = kept.receiver.durable
    kept.tries = kept.tries + 1 if durable == kept.stored else 0
    present = SpoolPosition(durable.file, durable.boundary) if durable.file else None
    kept.stored, kept.stored_at, kept.backlog = durable, time.monotonic(), True
    kept.failed = True
    result = store_ready_pieces(archive, present, now())
    kept.backlog = bool(result.backlog_bytes or result.faults)
    kept.failed = bool(result.faults)


def _in_thread(action: str, work: Callable[[], None]) -> None:
    """Do a piece of work in a thread of a pool: an error is logged, and it is done again later."""
    try:
        work()
    except (Error, BinlogDamaged, LeaseLost) as exc:
        logger.warning("%s", exc, extra={"action": action})
    except Exception:
        logger.exception("unexpected error", extra={"action": action})
    finally:
        connection.close()


@contextlib.contextmanager
def _sole_user(folder: Path) -> Iterator[None]:
    """Lock the spool: two processes would write to the same files."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Refused(
                f"another process receives binlogs into {folder}",
                hint="End it first; ./mooring up runs one.",
            ) from None
        yield
