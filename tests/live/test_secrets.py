"""Passwords and keys: in no file, row, log, answer, argv or environment of any run."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import pytest

from tests.live import clone_jobs
from tests.live.mooring_site import (
    PASSWORD,
    ROOT,
    Site,
    private_site,
    redis,
    running,
    wait_until,
    worker,
)
from tests.live.mysql import PrivateMysql, program
from tests.live.server import LiveServer

pytestmark = pytest.mark.live

WRONG = "s0mebody-elses-password"
CHUNK = 1 << 20


@pytest.fixture(scope="module")
def donor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateMysql]:
    with PrivateMysql(tmp_path_factory.mktemp("donor") / "data") as server:
        server.execute(*clone_jobs.USER)
        yield server


class Onlooker:
    """Another user of the host: sees the words of every process; as root the environment too.

    What was there before it began to look is not looked at: it was given nothing since.
    """

    def __init__(self, secrets: Mapping[str, bytes]) -> None:
        self._secrets, self._over = secrets, threading.Event()
        self.seen: set[tuple[str, str]] = set()
        self.looked = 0
        self._before = set(os.listdir("/proc"))
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Onlooker:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.02):
            for folder in map(Path("/proc").joinpath, set(os.listdir("/proc")) - self._before):
                for name in ("cmdline", "environ"):
                    try:
                        content = (folder / name).read_bytes()
                    except OSError:
                        continue
                    self.seen |= {
                        (what, content[:300].decode(errors="replace"))
                        for what, secret in self._secrets.items()
                        if secret in content
                    }
            self.looked += 1


def found_in(folder: Path, secrets: Mapping[str, bytes]) -> list[tuple[str, str]]:
    """Look through every byte of every file, but for the key files themselves."""
    keys = folder / "keys"
    paths = [p for p in folder.rglob("*") if p.is_file() and keys not in p.parents]
    assert len(paths) > 10
    return [
        (what, str(path.relative_to(folder)))
        for path in paths
        for what, secret in secrets.items()
        if contains(path, secret)
    ]


def contains(path: Path, secret: bytes) -> bool:
    with path.open("rb") as file:
        tail = b""
        while chunk := file.read(CHUNK):
            if secret in tail + chunk:
                return True
            tail = chunk[-len(secret) :]
    return False


def keys_of(home: Path) -> dict[str, bytes]:
    """Return every key, as it is written and, where that is base64, as it is used."""
    keys = {}
    for path in (home / "keys").iterdir():
        word = path.read_text().split()[-1]
        keys[path.name] = word.encode()
        if path.name == "backup.key":
            keys["bytes of backup.key"] = base64.b64decode(word)
    assert {"backup.key", "secret.key", "django.key"} <= set(keys)
    return keys


@dataclass
class Operator:
    """Runs Mooring's commands on a site and keeps all that they write."""

    site: Site
    written: list[str] = field(default_factory=list)

    def manage(self, *words: str, given: str = "", code: int = 0) -> None:
        argv = [sys.executable, "manage.py", *words, "--json"]
        done = subprocess.run(
            argv, cwd=ROOT, env=self.site.environment, input=given, text=True,
            capture_output=True, check=False,
        )  # fmt: skip
        self.written += (done.stdout, done.stderr)
        assert done.returncode == code, done.stdout

    def add_wrong_passwords(self, account: Sequence[str]) -> None:
        account = [*account, "--password-file", "-"]
        self.manage("addinstance", "wrong-1", *account, given=WRONG, code=1)
        self.manage("addinstance", "wrong-2", "--no-check", *account, given=WRONG)

    def run_every_operation(self, name: str, target: Path) -> None:
        with worker(self.site):
            self.manage("takebackup", name)
            self.manage("takebackup", "wrong-2", code=1)
            label = str(self.site.manage("listbackups")["backups"][0]["label"])
            self.manage("verifybackup", label)
            self.manage("testrestore", label)
            self.manage("restorebackup", label, "--to", str(target))
            self.manage("doctor", name)
            self.manage("showbackup", label)
        self.manage("rotatekeys")
        at_once = ("--now", "--reason", "a test")
        self.manage("purgebackup", label, "--force", *at_once, "--foreground")
        self.manage("takebackup", name, "--foreground")


@pytest.mark.parametrize("engine", ["mariadb_backup", "clone"])
def test_no_secret_gets_anywhere(
    mariadb: LiveServer, donor: PrivateMysql, engine: str, tmp_path: Path
) -> None:
    with private_site(
        mariadb, throttle=0, MOORING_MYSQLD=program("mysqld"), MOORING_LOG_LEVEL="DEBUG"
    ) as site:
        name, password = "bank-1", PASSWORD
        secrets = {"password": password.encode(), "wrong password": WRONG.encode()}
        secrets |= keys_of(site.home)
        if engine == "clone":
            name, password = "shop-1", clone_jobs.PASSWORD
            secrets["password of the MySQL"] = password.encode()
        operator = Operator(site)
        with Onlooker(secrets) as onlooker, running([*redis(site.home)], site):
            wait_until(site.sockets().exists)
            account = ["--socket", mariadb.socket, "--user", "celery"]
            if engine == "clone":
                account = ["--port", str(donor.port), "--user", "bk"]
                words = ["addinstance", name, *account, "--password-file", "-"]
                operator.manage(*words, given=password)
            operator.add_wrong_passwords(account)
            operator.run_every_operation(name, tmp_path / "restored")
        secrets |= {f"new {what}": key for what, key in keys_of(site.home).items()}
        assert onlooker.looked > 20
        assert onlooker.seen == set()
        written = "".join(operator.written).encode()
        assert [what for what, secret in secrets.items() if secret in written] == []
        # Database with its log, logs of every process, repository.
        assert found_in(site.home, secrets) == []
        shutil.rmtree(tmp_path / "restored")
