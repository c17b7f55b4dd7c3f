"""How is an unpacked Ceph run as a private object store: monitor, OSD and gateway on loopback?

``scripts/ceph.sh`` unpacks one. The tests run it in memory, the demo on a disk.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 120
# The OSD writes what it has in memory before it ends; a kill loses nothing either.
STOP_SECONDS = 10

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
{medium}
[client.rgw]
rgw data = {home}/rgw
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw crypt require ssl = false
rgw thread pool size = 16
"""
IN_MEMORY = """osd objectstore = memstore
memstore device bytes = 4294967296"""
# A sparse file, and as little memory as an OSD accepts.
ON_DISK = """osd objectstore = bluestore
bluestore block size = 17179869184
osd memory target = 939524096"""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the gateway and the monitor listen."""

    gateway: int
    monitor: int


class CephFailed(RuntimeError):
    """One of its programs failed, or did not start."""


class PrivateCeph:
    """One monitor, one OSD and one gateway, ended with the process that started them."""

    def __init__(self, root: Path, home: Path, ports: Ports, medium: str) -> None:
        self.home, self.root = home, root
        self._ports, self._medium = ports, medium
        self._processes: list[subprocess.Popen[bytes]] = []
        self._loader = next((self.root / "usr").rglob("ld-linux*.so.*"))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._ports.gateway}"

    def create(self) -> None:
        """Make a store in the folder, which is new, and start it."""
        for name in ("run", "mon", "osd", "rgw", "log"):
            (self.home / name).mkdir(parents=True)
        fsid, osd_uuid = str(uuid.uuid4()), str(uuid.uuid4())
        self._write_settings(fsid)
        keyring = str(self.home / "keyring")
        self._create_keys(keyring)
        self._create_monitor(fsid, keyring)
        self._spawn("ceph-mon", "-i", "a")
        self._cli("osd", "new", osd_uuid)
        self.run("ceph-osd", *self._conf, "-i", "0", "--mkfs", "--osd-uuid", osd_uuid)
        self._spawn("ceph-osd", "-i", "0")
        self._spawn("radosgw", "-n", "client.rgw")
        self._wait_for_gateway()

    def start(self) -> None:
        """Start a store that is there; its folder or Ceph's may have been moved."""
        self._write_settings((self.home / "osd" / "ceph_fsid").read_text(encoding="utf-8").strip())
        self._spawn("ceph-mon", "-i", "a")
        self._spawn("ceph-osd", "-i", "0")
        self._spawn("radosgw", "-n", "client.rgw")
        self._wait_for_gateway()

    def stop(self) -> None:
        """End what was started, the gateway first."""
        for process in reversed(self._processes):
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
            process.kill()
            process.wait()
        self._processes.clear()

    def administer(self, *words: str) -> bytes:
        """Run the gateway's own command for users and quotas; return its answer."""
        return self.run("radosgw-admin", *self._conf, "-n", "client.rgw", *words)

    def run(self, program: str, *words: str) -> bytes:
        done = subprocess.run(
            self._argv(program, *words), capture_output=True, timeout=START_SECONDS, check=False
        )
        if done.returncode:
            raise CephFailed(f"{program} ended with {done.returncode}: {_last(done.stderr)}")
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
        # It goes with us, however we go. Ctrl-C is for us: what uses the store ends before it.
        argv = ["setpriv", "--pdeathsig", "KILL", "--"]
        argv += self._argv(program, *self._conf, *words, "-f")
        with (self.home / "log" / f"{program}.out").open("wb") as log:
            self._processes.append(
                subprocess.Popen(
                    argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                )
            )

    def _cli(self, *words: str) -> None:
        """Run Ceph's own command, which is in the Python beside it."""
        python = str(self.root / "usr")
        settings = {"PYTHONHOME": python, "PYTHONPATH": f"{python}/lib/python3/dist-packages"}
        argv = self._argv("python3.13", f"{python}/bin/ceph", *self._conf)
        done = subprocess.run(
            [*argv, "--connect-timeout", "30", *words],
            env={**os.environ, **settings},
            capture_output=True,
            timeout=START_SECONDS,
            check=False,
        )
        if done.returncode:
            raise CephFailed(f"ceph {words[0]} ended with {done.returncode}: {_last(done.stderr)}")

    def _create_keys(self, keyring: str) -> None:
        capabilities = ["--cap", "mon", "allow *", "--cap", "osd", "allow *"]
        self.run("ceph-authtool", "-C", keyring, "-n", "mon.", "--gen-key", *capabilities[:3])
        for name in ("client.admin", "client.rgw"):
            self.run("ceph-authtool", keyring, "-n", name, "--gen-key", *capabilities)
        osd = ["--cap", "mon", "allow profile osd", "--cap", "osd", "allow *"]
        self.run("ceph-authtool", keyring, "-n", "osd.0", "--gen-key", *osd)

    def _create_monitor(self, fsid: str, keyring: str) -> None:
        address = f"[v2:127.0.0.1:{self._ports.monitor}]"
        where = str(self.home / "monmap")
        self.run(
            "monmaptool", "--create", "--clobber", "--fsid", fsid, "--addv", "a", address, where
        )
        self.run(
            "ceph-mon", *self._conf, "--mkfs", "-i", "a", "--monmap", where, "--keyring", keyring
        )

    def _wait_for_gateway(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(self.url, timeout=10):  # noqa: S310  # nosec B310
                    return
            except urllib.error.HTTPError:
                return
            except OSError:
                if any(process.poll() is not None for process in self._processes):
                    break
                time.sleep(0.2)
        logs = sorted((self.home / "log").glob("*.out"))
        raise CephFailed("\n".join(_last(log.read_bytes()) for log in logs))

    def _write_settings(self, fsid: str) -> None:
        text = SETTINGS.format(
            fsid=fsid,
            home=self.home,
            libraries=self._loader.parent,
            mon_port=self._ports.monitor,
            port=self._ports.gateway,
            medium=self._medium,
        )
        (self.home / "ceph.conf").write_text(text, encoding="utf-8")


def _last(output: bytes) -> str:
    return output.decode(errors="replace").strip()[-800:]
