"""The state folder: made for its owner alone, with its keys, and used by one Mooring at a time."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil

from scripts.console import SetupError, say

LEAST_FREE_BYTES = 200_000_000
END_SECONDS = 15


def prepare_folder(home: Path) -> None:
    """Make the folder and what belongs in it; what is there stays as it is."""
    try:
        for folder in (home, home / "keys", home / "run", home / "log"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
        _refuse_full(home)
        _create_key(home / "keys" / "django.key", base64.urlsafe_b64encode(os.urandom(48)))
        _create_key(home / "keys" / "secret.key", base64.urlsafe_b64encode(os.urandom(32)))
    except OSError as exc:
        raise SetupError(
            f"the state folder cannot be used: {exc.filename}: {exc.strerror}",
            hint=f"Make {home} writable for this user, or set MOORING_HOME to another folder.",
        ) from exc


def _refuse_full(home: Path) -> None:
    free = shutil.disk_usage(home).free
    if free < LEAST_FREE_BYTES:
        raise SetupError(
            f"no space: {free // 1_000_000} MB are free at {home}, "
            f"{LEAST_FREE_BYTES // 1_000_000} MB are needed",
            hint="Free some space, or set MOORING_HOME to a folder on another disk.",
        )


def _create_key(path: Path, key: bytes) -> None:
    """Write a key no reader can ever see half of; one that exists is never replaced."""
    if path.exists():
        return
    unfinished = path.with_suffix(f".{os.getpid()}")
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(key + b"\n")
        file.flush()
        os.fsync(file.fileno())
    # Whoever comes second leaves the first one's key in place.
    with contextlib.suppress(FileExistsError):
        os.link(unfinished, path)
    unfinished.unlink()


@contextlib.contextmanager
def sole_user(home: Path) -> Iterator[None]:
    """Hold the folder for this process; SetupError where another Mooring runs on it."""
    with (home / "run" / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise SetupError(
                f"another Mooring (process {lock.read().strip() or 'unknown'}) runs on {home}",
                hint="Stop it first, or set MOORING_HOME to another folder.",
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        end_leftovers(home)
        yield


def remember(home: Path, pids: list[int]) -> None:
    """Note which processes are ours, for a next run that has to clean up after this one."""
    ours = {}
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            ours[str(pid)] = psutil.Process(pid).create_time()
    (home / "run" / "processes.json").write_text(json.dumps(ours), encoding="utf-8")


def end_leftovers(home: Path) -> None:
    """End what a broken earlier run left, known by pid *and* start time, and its sockets."""
    note = home / "run" / "processes.json"
    try:
        ours: dict[str, float] = json.loads(note.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        ours = {}
    left = [process for pid, began in ours.items() if (process := _same(int(pid), began))]
    for one in left:
        say(f"an earlier run left {one.name()} (process {one.pid}) behind; ending it")
        with contextlib.suppress(psutil.NoSuchProcess):
            one.terminate()
    for one in psutil.wait_procs(left, timeout=END_SECONDS)[1]:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    note.unlink(missing_ok=True)
    (home / "run" / "redis.sock").unlink(missing_ok=True)


def _same(pid: int, began: float) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - began) < 0.1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return process if same else None
