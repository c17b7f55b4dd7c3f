"""Passwords and keys: in no file, row, log, answer, argv or environment of any run."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType

import pytest

from tests.live import clone_jobs
from tests.live.mooring_site import PASSWORD, ROOT, private_site, redis, running, wait_until, worker
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
        said: list[str] = []

        def manage(*words: str, given: str = "", code: int = 0) -> str:
            argv = [sys.executable, "manage.py", *words, "--json"]
            done = subprocess.run(
                argv, cwd=ROOT, env=site.environment, input=given, text=True, capture_output=True,
                check=False,
            )  # fmt: skip
            said.extend((done.stdout, done.stderr))
            assert done.returncode == code, done.stdout
            return done.stdout

        with Onlooker(secrets) as onlooker, running([*redis(site.home)], site):
            wait_until(site.sockets().exists)
            place = ["--socket", mariadb.socket, "--user", "celery"]
            if engine == "clone":
                place = ["--port", str(donor.port), "--user", "bk"]
                manage("addinstance", name, *place, "--password-file", "-", given=password)
            way = [*place, "--password-file", "-"]
            manage("addinstance", "wrong-1", *way, given=WRONG, code=1)
            manage("addinstance", "wrong-2", "--no-check", *way, given=WRONG)
            with worker(site):
                manage("takebackup", name)
                manage("takebackup", "wrong-2", code=1)
                label = str(site.manage("listbackups")["backups"][0]["label"])
                manage("verifybackup", label)
                manage("testrestore", label)
                manage("restorebackup", label, "--to", str(tmp_path / "restored"))
                manage("doctor", name)
                manage("showbackup", label)
            manage("rotatekeys")
            manage("purgebackup", label, "--force", "--foreground")
            manage("takebackup", name, "--foreground")
        secrets |= {f"new {what}": key for what, key in keys_of(site.home).items()}
        assert onlooker.looked > 20
        assert onlooker.seen == set()
        told = "".join(said).encode()
        assert [what for what, secret in secrets.items() if secret in told] == []
        # Database with its log, state of beat, logs of every process, repository.
        assert found_in(site.home, secrets) == []
        shutil.rmtree(tmp_path / "restored")
