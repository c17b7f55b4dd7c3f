"""A private Ceph with its object gateway, in memory: an object store that checks signatures."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.live.server import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 120
USER, KEY_ID, SECRET = "mooring", "AKIAMOORING", "s3cret/key+of/tests"

SETTINGS = """[global]
fsid = {fsid}
plugin dir = {libraries}/ceph
erasure code dir = {libraries}/ceph/erasure-code
osd class dir = {libraries}/rados-classes
run dir = {home}/run
admin socket = {home}/run/$cluster-$name.asok
log file = {home}/log/$name.log
keyring = {home}/keyring
crash dir = {home}
mon host = [v2:127.0.0.1:{mon_port}]
mon initial members = a
public addr = 127.0.0.1
cluster addr = 127.0.0.1
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail warn = 1
mon data avail crit = 1
mon cluster log to file = false
auth allow insecure global id reclaim = false
[mon]
mon data = {home}/mon
[osd]
osd data = {home}/osd
osd objectstore = memstore
memstore device bytes = 4294967296
[client.rgw]
rgw data = {home}/rgw
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw crypt require ssl = false
rgw thread pool size = 16
"""


class CephMissing(RuntimeError):
    """There is none to start."""


def ceph_folder() -> Path:
    """Return the folder of an unpacked Ceph."""
    folder = Path(os.environ.get("MOORING_TEST_CEPH") or ROOT / "var" / "ceph")
    if not (folder / "usr/bin/radosgw").exists():
        raise CephMissing(f"no Ceph in {folder}: run scripts/ceph.sh {folder}")
    return folder


class PrivateCeph:
    """One monitor, one OSD in memory and one gateway, all on loopback."""

    def __init__(self, home: Path) -> None:
        self.home, self.root = home, ceph_folder()
        self.port, self._mon_port = free_port(), free_port()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._loader = next((self.root / "usr").rglob("ld-linux*.so.*"))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        for name in ("run", "mon", "osd", "rgw", "log"):
            (self.home / name).mkdir(parents=True)
        self._write_settings()
        keyring = str(self.home / "keyring")
        capabilities = ["--cap", "mon", "allow *", "--cap", "osd", "allow *"]
        self.run("ceph-authtool", "-C", keyring, "-n", "mon.", "--gen-key", *capabilities[:3])
        for name in ("client.admin", "client.rgw"):
            self.run("ceph-authtool", keyring, "-n", name, "--gen-key", *capabilities)
        osd = ["--cap", "mon", "allow profile osd", "--cap", "osd", "allow *"]
        self.run("ceph-authtool", keyring, "-n", "osd.0", "--gen-key", *osd)
        self._start_monitor(keyring)
        fsid = str(uuid.uuid4())
        self._cli("osd", "new", fsid)
        self.run("ceph-osd", *self._conf, "-i", "0", "--mkfs", "--osd-uuid", fsid)
        self._spawn("ceph-osd", *self._conf, "-i", "0", "-f")
        self._spawn("radosgw", *self._conf, "-n", "client.rgw", "-f")
        self._wait_for_gateway()
        self.add_user(USER, KEY_ID, SECRET)

    def add_user(self, name: str, key_id: str, secret: str) -> None:
        keys = [f"--access-key={key_id}", f"--secret-key={secret}"]
        words = ["user", "create", f"--uid={name}", f"--display-name={name}", *keys]
        self.run("radosgw-admin", *self._conf, "-n", "client.rgw", *words)

    def set_quota(self, name: str, most_bytes: int) -> None:
        """Limit the bytes of a user."""
        admin = ["radosgw-admin", *self._conf, "-n", "client.rgw", "quota"]
        scope = ["--quota-scope=user", f"--uid={name}"]
        self.run(*admin, "set", *scope, f"--max-size={most_bytes}")
        self.run(*admin, "enable", *scope)

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.send_signal(signal.SIGKILL)
            process.wait()

    def run(self, program: str, *words: str) -> bytes:
        done = subprocess.run(
            self._argv(program, *words), capture_output=True, timeout=START_SECONDS, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{program} {words}: {done.stderr.decode()[-800:]}")
        return done.stdout

    @property
    def _conf(self) -> list[str]:
        return ["-c", str(self.home / "ceph.conf")]

    def _argv(self, program: str, *words: str) -> list[str]:
        """Return a command that runs with the libraries beside it."""
        libraries = self._loader.parent
        path = self.root / "usr/bin" / program
        start = [str(self._loader), "--argv0", str(path), "--library-path"]
        return [*start, f"{libraries}:{libraries}/ceph", str(path), *words]

    def _spawn(self, program: str, *words: str) -> None:
        with (self.home / "log" / f"{program}.out").open("wb") as log:
            self._processes.append(
                subprocess.Popen(self._argv(program, *words), stdout=log, stderr=log)
            )

    def _cli(self, *words: str) -> None:
        """Run Ceph's own command, which is in the Python beside it."""
        python = str(self.root / "usr")
        settings = {"PYTHONHOME": python, "PYTHONPATH": f"{python}/lib/python3/dist-packages"}
        argv = self._argv("python3.13", f"{python}/bin/ceph", *self._conf)
        subprocess.run(
            [*argv, "--connect-timeout", "30", *words],
            env={**os.environ, **settings},
            capture_output=True,
            timeout=START_SECONDS,
            check=True,
        )

    def _start_monitor(self, keyring: str) -> None:
        address = f"[v2:127.0.0.1:{self._mon_port}]"
        where = str(self.home / "monmap")
        words = ["--create", "--clobber", "--fsid", self._fsid, "--addv", "a", address, where]
        self.run("monmaptool", *words)
        self.run(
            "ceph-mon", *self._conf, "--mkfs", "-i", "a", "--monmap", where, "--keyring", keyring
        )
        self._spawn("ceph-mon", *self._conf, "-i", "a", "-f")

    def _wait_for_gateway(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(self.url, timeout=10):  # noqa: S310 - loopback
                    return
            except urllib.error.HTTPError:
                return
            except OSError:
                if any(process.poll() is not None for process in self._processes):
                    break
                time.sleep(0.2)
        logs = sorted((self.home / "log").glob("*.out"))
        raise RuntimeError("\n".join(log.read_text("utf-8", "replace")[-800:] for log in logs))

    def _write_settings(self) -> None:
        self._fsid = str(uuid.uuid4())
        text = SETTINGS.format(
            fsid=self._fsid,
            home=self.home,
            libraries=self._loader.parent,
            mon_port=self._mon_port,
            port=self.port,
        )
        (self.home / "ceph.conf").write_text(text, encoding="utf-8")


@contextmanager
def private_ceph(home: Path) -> Iterator[PrivateCeph]:
    ceph = PrivateCeph(home)
    try:
        ceph.start()
        yield ceph
    finally:
        ceph.stop()
