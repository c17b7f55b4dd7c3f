"""Does the program that shares no code with Mooring open what Mooring wrote?

It was written from docs/format.md alone, so these tests are also that document's.
"""

from __future__ import annotations

import ast
import errno
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from backups.archive.cipher import Unencrypted
from backups.archive.keys import KeyEncryptionKey
from backups.archive.manifest import seal_manifest
from backups.archive.records import Data, FileClosed, FileOpened, PhaseStarted, Record
from backups.repositories.directory import DirectoryStore
from backups.repositories.layout import manifest_name
from tests.backups.archive.stores import (
    KEYRING,
    KIB,
    LABEL,
    MIB,
    SCRIPT,
    contents_of,
    load_extractor,
    make_store,
    open_backup,
    records_of,
    write_backup,
    write_key_file,
)

FILES = {
    "ibdata1": os.urandom(5 * MIB + 17),
    "shop/orders.ibd": bytes(9 * MIB) + os.urandom(4096),
    "shop/orders.frm": b"frm",
    "shop/empty.isl": b"",
    "odd/na me 'q\" #ü.MYD": b"x" * 70_000,
}
both_ciphers = pytest.mark.parametrize("encrypted", [True, False], ids=["sealed", "plain"])


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the program as it would be on a machine without Mooring: -I hides the project."""
    argv = [sys.executable, "-I", str(SCRIPT), *map(str, arguments)]
    finished = subprocess.run(argv, capture_output=True, text=True, cwd="/", timeout=60)
    assert "Traceback" not in finished.stderr
    return finished


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return make_store(tmp_path / "r")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return write_key_file(tmp_path / "key", KEYRING.current)


def test_it_needs_two_libraries_or_three_and_nothing_of_mooring() -> None:
    imported = set()
    for node in ast.walk(ast.parse(SCRIPT.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
    assert imported - sys.stdlib_module_names == {"zstandard", "cryptography", "blake3"}


@both_ciphers
@pytest.mark.parametrize("full_bytes", [1, 256 * MIB])
def test_it_extracts_what_was_written(
    tmp_path: Path, store: DirectoryStore, key: Path, encrypted: bool, full_bytes: int
) -> None:
    write_backup(store, records_of(FILES), encrypted=encrypted, full_bytes=full_bytes)

    finished = run(store.root, "--key-file", key, "--allow-plain", "--to", tmp_path / "out")

    assert finished.returncode == 0, finished.stderr
    assert contents_of(tmp_path / "out") == FILES
    assert f"{LABEL}: {len(FILES)} files" in finished.stdout


def test_it_honours_phases_and_holes(tmp_path: Path, store: DirectoryStore, key: Path) -> None:
    page = 16 * KIB
    records: list[Record] = [
        FileOpened(3, "t.ibd"),
        Data(3, 0, memoryview(b"a" * 3 * page)),
        PhaseStarted(),
        Data(3, page, memoryview(bytes(page))),
        PhaseStarted(),
        Data(3, page, memoryview(b"b" * 10)),
        FileClosed(3, 64 * MIB),
    ]
    write_backup(store, records)
    out = tmp_path / "out"

    assert run(store.root, "--key-file", key, "--to", out).returncode == 0

    expected = b"a" * page + b"b" * 10 + bytes(page - 10) + b"a" * page
    assert (out / "t.ibd").read_bytes() == expected.ljust(64 * MIB, b"\0")
    assert (out / "t.ibd").stat().st_blocks * 512 <= MIB


def test_it_can_extract_a_part_from_the_packs_that_hold_it(
    tmp_path: Path, store: DirectoryStore, key: Path
) -> None:
    files = {f"{schema}/t.ibd": os.urandom(4 * MIB) for schema in ("a", "b", "c")}
    folder = write_backup(store, records_of(files), full_bytes=1)
    for number in (1, 3):
        (store.root / folder / f"packs/{number:06d}.pack").unlink()

    run_ = run(store.root, "--key-file", key, "--to", tmp_path / "out", "--only", "b/")

    assert run_.returncode == 0, run_.stderr
    assert contents_of(tmp_path / "out") == {"b/t.ibd": files["b/t.ibd"]}


def test_it_takes_the_folder_of_one_backup(
    tmp_path: Path, store: DirectoryStore, key: Path
) -> None:
    """What was saved of a lost repository."""
    folder = write_backup(store, records_of({"a": b"x"}))
    shutil.copytree(store.root / folder, tmp_path / "saved")

    finished = run(tmp_path / "saved", "--key-file", key, "--to", tmp_path / "out")

    assert finished.returncode == 0, finished.stderr
    assert contents_of(tmp_path / "out") == {"a": b"x"}


def test_it_lists_backups_with_their_sizes_where_the_key_is_at_hand(
    store: DirectoryStore, key: Path
) -> None:
    write_backup(store, records_of({"a": b"12345"}), label="sealed")
    write_backup(store, records_of({"a": b"12345"}), label="plain", encrypted=False)

    plain, sealed = run(store.root, "--list").stdout.splitlines()
    assert "plain  not encrypted" in plain
    assert "1 files, 5 bytes" in plain
    assert f"sealed  {KEYRING.current.id}" in sealed
    assert "bytes" not in sealed
    assert "1 files, 5 bytes" in run(store.root, "--list", "--key-file", key).stdout.splitlines()[1]


def test_it_lists_the_others_when_one_is_damaged(store: DirectoryStore, key: Path) -> None:
    write_backup(store, records_of({"a": b"x"}), label="good")
    folder = write_backup(store, records_of({"a": b"x"}), label="bad")
    (store.root / folder / "manifest.json.zst").write_bytes(b"?" * 100)

    finished = run(store.root, "--list", "--key-file", key)

    assert finished.returncode == 1
    assert "good  " in finished.stdout
    assert "bad/manifest.json.zst is damaged" in finished.stdout


def test_a_backup_is_chosen_by_its_label(tmp_path: Path, store: DirectoryStore, key: Path) -> None:
    for label in ("first", "second"):
        write_backup(store, records_of({"a": label.encode()}), label=label)

    refused = run(store.root, "--key-file", key, "--to", tmp_path / "out")
    assert (refused.returncode, refused.stderr[:9]) == (2, "refused: ")
    assert "2 backups fit" in refused.stderr
    chosen = run(store.root, "--label", "second", "--key-file", key, "--to", tmp_path / "out")
    assert chosen.returncode == 0
    assert contents_of(tmp_path / "out") == {"a": b"second"}


def test_what_cannot_be_is_refused(tmp_path: Path, store: DirectoryStore, key: Path) -> None:
    folder = write_backup(store, records_of({"a": b"x"}))
    wrong = write_key_file(tmp_path / "wrong", KeyEncryptionKey(b"w" * 32))
    (tmp_path / "broken").write_text("mooring-key-1 c2VjcmV0\n")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    out = tmp_path / "out"
    for arguments, message in [
        ((store.root, "--to", out), f"needs the key {KEYRING.current.id}; at hand: none"),
        ((store.root, "--to", out, "--key-file", wrong), f"needs the key {KEYRING.current.id}"),
        ((store.root, "--to", out, "--key-file", tmp_path / "none"), "FileNotFoundError"),
        ((store.root, "--to", out, "--key-file", tmp_path / "broken"), "line 1 of"),
        ((store.root, "--to", tmp_path / "full", "--key-file", key), "full is not empty"),
        ((store.root, "--to", out, "--key-file", key, "--only", "z"), "no file of .* begins"),
        ((store.root, "--to", out, "--key-file", key, "--label", "z"), "0 backups fit"),
        ((tmp_path / "nowhere", "--to", out, "--key-file", key), "no backup with a manifest"),
        ((store.root, "--key-file", key), "--list --to is required"),
    ]:
        finished = run(*arguments)
        assert finished.returncode == 2, finished
        assert _found(message, finished.stderr), finished.stderr
        assert "c2VjcmV0" not in finished.stderr
    (store.root / folder / "manifest.json.zst").unlink()
    assert "no backup with a manifest" in run(store.root, "--list").stderr
    assert contents_of(tmp_path / "full") == {"x": b""}


def _found(pattern: str, text: str) -> bool:
    return re.search(pattern, text) is not None


def test_a_newer_format_is_refused(tmp_path: Path, store: DirectoryStore, key: Path) -> None:
    folder = write_backup(store, records_of({"a": b"x"}), encrypted=False)
    opened = open_backup(store, folder).manifest
    newer = replace(opened.envelope, format=3)
    store.replace(
        manifest_name(folder),
        seal_manifest(newer, opened.about, opened.contents, Unencrypted()),
    )

    finished = run(store.root, "--key-file", key, "--allow-plain", "--to", tmp_path / "out")

    assert finished.returncode == 2
    assert "has format 3; this reads 1 and 2" in finished.stderr


@both_ciphers
def test_damage_anywhere_ends_with_a_message(
    tmp_path: Path, store: DirectoryStore, key: Path, encrypted: bool
) -> None:
    folder = write_backup(store, records_of({"a.ibd": os.urandom(300)}), encrypted=encrypted)
    pack = store.root / folder / "packs/000001.pack"
    whole = pack.read_bytes()
    # In header, frame header, extents, content, footer, trailer; and too short, too long.
    spots = [0, 20, 32, 44, 52, 200, len(whole) - 60, len(whole) - 10, len(whole) - 1]
    damaged = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in spots]
    for number, content in enumerate([*damaged, whole[:-1], whole[:40], b"", whole + b"\0", None]):
        pack.unlink(missing_ok=True)
        if content is not None:
            pack.write_bytes(content)
        out = tmp_path / f"out{number}"
        finished = run(store.root, "--key-file", key, "--allow-plain", "--to", out)
        assert finished.returncode == 1, (number, finished)
        assert "000001.pack" in finished.stderr.replace("packs/000001.pack of 1", "")
        assert f"what is in {out} is not whole" in finished.stderr


@both_ciphers
def test_a_damaged_manifest_ends_with_a_message(
    tmp_path: Path, store: DirectoryStore, key: Path, encrypted: bool
) -> None:
    folder = write_backup(store, records_of({"a.ibd": b"x"}), encrypted=encrypted)
    path = store.root / folder / "manifest.json.zst"
    whole = path.read_bytes()
    for content in [whole[:-1], whole[:40], b"", whole[:300] + b"?" + whole[301:]]:
        path.write_bytes(content)
        finished = run(store.root, "--key-file", key, "--to", tmp_path / "out")
        assert finished.returncode == 1
        assert "is damaged or cut short" in finished.stderr
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("path", ["../x", "/tmp/x", "a/../../x", "a//b", "", "a\0b", "\ud800"])
def test_a_path_that_leads_out_is_refused(
    tmp_path: Path, store: DirectoryStore, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backups.archive.file_table.is_safe_path", lambda path: True)
    write_backup(store, records_of({path: b"x"}), encrypted=False)

    finished = run(store.root, "--to", tmp_path / "out")

    assert finished.returncode == 1
    assert "does not follow the format" in finished.stderr
    assert not (tmp_path / "out").exists()


def test_every_file_and_folder_is_synced(
    tmp_path: Path, store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_backup(store, records_of(FILES), encrypted=False)
    synced = set()
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.add(os.fstat(descriptor).st_ino))
    out = tmp_path / "out"
    assert load_extractor().main([str(store.root), "--to", str(out)]) == 0
    assert {path.stat().st_ino for path in (out, *out.rglob("*"))} <= synced


@pytest.mark.parametrize("is_failing", [stat.S_ISREG, stat.S_ISDIR], ids=["file", "folder"])
def test_what_the_disk_refuses_at_the_end_is_a_failure(
    tmp_path: Path,
    store: DirectoryStore,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    is_failing: Callable[[int], bool],
) -> None:
    """Written is not stored: a full or broken disk may tell only when it is asked to sync."""
    write_backup(store, records_of(FILES), encrypted=False)

    def failing(descriptor: int) -> None:
        if is_failing(os.fstat(descriptor).st_mode):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", failing)
    assert load_extractor().main([str(store.root), "--to", str(tmp_path / "out")]) == 1
    shown = capsys.readouterr()
    assert "No space left on device" in shown.err
    assert "every byte checked" not in shown.out


def test_with_a_key_a_plain_backup_is_refused(
    tmp_path: Path, store: DirectoryStore, key: Path
) -> None:
    write_backup(store, records_of(FILES), encrypted=False)
    finished = run(store.root, "--key-file", key, "--to", tmp_path / "out")
    assert finished.returncode == 2
    assert "is not encrypted: --allow-plain" in finished.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_another_backup_is_refused(
    tmp_path: Path, store: DirectoryStore, key: Path
) -> None:
    folder = store.root / write_backup(store, records_of(FILES))
    exchanged = folder.with_name("orders-1@20260303T010000Z-F")
    folder.rename(exchanged)
    finished = run(exchanged, "--key-file", key, "--to", tmp_path / "out")
    assert (finished.returncode, "holds another backup" in finished.stderr) == (2, True)
