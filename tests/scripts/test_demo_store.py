"""Where the demo stores: what is started, what Mooring is given, and what is refused before."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from scripts import demo_store
from scripts.console import SetupError
from scripts.demo_store import BucketRepository, FolderRepository, find_demo_ceph
from scripts.private_ceph import Ports
from scripts.processes import ROOT

SECRET = "made-up-by-the-store"
# All that scripts/ceph.sh needs to find out that there is no apt-get.
PROGRAMS = ("bash", "dirname", "readlink", "find")


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """A folder that looks like an unpacked Ceph, and cannot be started."""
    folder = tmp_path / "unpacked"
    (folder / "usr" / "bin").mkdir(parents=True)
    (folder / "usr" / "bin" / "radosgw").touch()
    (folder / "usr" / "ld-linux-x86-64.so.2").touch()
    return folder


def made(home: Path, ceph: Path, port: int) -> BucketRepository:
    """A repository whose store an earlier run made."""
    (home / "ceph").mkdir(parents=True)
    (home / "keys").mkdir()
    (home / "keys" / "ceph-secret.key").write_text(SECRET)
    note = {"ports": {"gateway": port, "monitor": port}, "key_id": "KEYID"}
    (home / "ceph" / "demo.json").write_text(json.dumps(note))
    return BucketRepository(home, ceph)


def test_a_folder_needs_nothing(tmp_path: Path) -> None:
    repository = FolderRepository(tmp_path)
    assert repository.words == ("--path", str(tmp_path / "repository"))
    assert repository.environment({}) == {}
    assert not repository.added


def test_a_bucket_is_added_by_its_key_file(tmp_path: Path, unpacked: Path) -> None:
    repository = made(tmp_path, unpacked, 7480)
    words = dict(zip(repository.words[::2], repository.words[1::2], strict=True))
    assert words == {
        "--path": "s3://mooring-demo/backups",
        "--endpoint": "http://127.0.0.1:7480",
        "--access-key-id": "KEYID",
        "--secret-key-file": str(tmp_path / "keys" / "ceph-secret.key"),
    }
    assert not repository.added
    repository.note_added()
    assert BucketRepository(tmp_path, unpacked).added


@pytest.mark.parametrize(
    ("named", "networks"), [("", "127.0.0.1/32"), ("10.0.0.0/8", "10.0.0.0/8,127.0.0.1/32")]
)
def test_mooring_may_reach_the_store(
    named: str, networks: str, tmp_path: Path, unpacked: Path
) -> None:
    environment = {"MOORING_OUTBOUND_NETWORKS": named}
    given = BucketRepository(tmp_path, unpacked).environment(environment)
    assert given == {"MOORING_OUTBOUND_NETWORKS": networks}


def test_a_port_that_another_has_is_refused(
    tmp_path: Path, unpacked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_store, "GONE_SECONDS", 0)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(SetupError, match=f"port {port} .* is taken"),
            made(tmp_path, unpacked, port).running(),
        ):
            pass


def test_a_full_disk_is_named_before_anything_is_made(
    tmp_path: Path, unpacked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_store, "NEEDED_BYTES", 1 << 62)
    repository = BucketRepository(tmp_path, unpacked)
    with pytest.raises(SetupError, match="no space for a private object store"):
        repository.running().__enter__()
    assert not (tmp_path / "ceph").exists()


def test_a_program_that_does_not_start_is_named(tmp_path: Path, unpacked: Path) -> None:
    repository = BucketRepository(tmp_path, unpacked)
    with pytest.raises(SetupError, match="did not start") as raised:
        repository.running().__enter__()
    assert "Without --s3" in raised.value.hint


def test_the_ceph_that_is_named_is_used(unpacked: Path) -> None:
    assert find_demo_ceph({"MOORING_TEST_CEPH": str(unpacked)}) == unpacked
    nothing = str(unpacked / "nothing")
    with pytest.raises(SetupError, match="no unpacked Ceph") as raised:
        find_demo_ceph({"MOORING_TEST_CEPH": nothing})
    assert f"scripts/ceph.sh {nothing}" in raised.value.hint


def test_where_none_can_be_fetched_the_way_on_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in PROGRAMS:
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(demo_store, "UNPACKED", tmp_path / "ceph")
    with pytest.raises(SetupError, match="Ceph could not be fetched") as raised:
        find_demo_ceph({})
    assert "leave out --s3" in raised.value.hint
    assert "apt-get is not installed" in capfd.readouterr().err


def test_a_long_download_shows_how_far_it_is() -> None:
    script = (
        "source scripts/console.sh; far() { printf ', 3 of 7 MB'; }; progress=far; "
        "patiently fetching sleep 1"
    )
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "MOORING_PATIENCE": "0.2"},
        capture_output=True,
        text=True,
        check=True,
    )
    # Seconds are counted at their turn, which may be right after the start.
    assert re.search(r"fetching: [01] s so far, 3 of 7 MB …", done.stderr)


def test_a_port_of_a_store_that_is_being_killed_becomes_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    port = taken.getsockname()[1]
    monkeypatch.setattr("scripts.demo_store.time.sleep", lambda _seconds: taken.close())
    demo_store._refuse_taken(Ports(port, port), tmp_path)
    assert taken.fileno() == -1
