"""Hundreds of forged manifests, footers, saved tables, option files and streams.

Whatever they hold: a clean error or something every reader can use, nothing outside, and no more
memory than the bytes that came account for.
"""

from __future__ import annotations

import hashlib
import io
import json
import tracemalloc
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backups.archive.cipher import SealedPart, Unencrypted
from backups.archive.compression import compress
from backups.archive.enveloped import SKIPPABLE
from backups.archive.manifest import (
    new_envelope,
    open_manifest,
    read_envelope,
    seal_manifest,
)
from backups.archive.packs import parse_footer
from backups.archive.records import FileOpened, FileRenamed
from backups.catalog.contents import group_by_table
from backups.engines.clone.saved_files import FOLDER, parse_saved_tables
from backups.engines.mariadb_backup.mbstream import read_records
from backups.engines.mariadb_backup.metadata import parse_facts
from backups.engines.mariadb_backup.shaping import PATTERNS, parse_shaping
from backups.exceptions import ArchiveError, EngineError
from backups.repositories.layout import is_safe_path
from tests.backups.archive.stores import extract_backup, make_store, records_of, write_backup
from tests.backups.engines.mbstreams import end, piece, seek, whole

BACKUP = uuid.UUID("11111111-1111-4111-8111-111111111111")
HUNDREDS = settings(max_examples=300)
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [1e300, 2**70, -1, True, None, "", "/", "..", "../../etc/passwd", "a/b", "\0", "\ud800", "\n",
     [], {}, [[]], {"uuid": 7}, "x" * 5000, float("inf"), "9999-99-99", "full", 0]
)  # fmt: skip
VALUES = ODD | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
ABOUT: dict[str, Any] = {
    "uuid": str(BACKUP), "label": "x", "kind": "full", "engine": "clone", "base": None,
    "instance": {"uuid": str(BACKUP), "name": "a", "host": "h", "port": 1, "flavour": "mysql"},
    "started_at": "2026-01-01T00:00:00+00:00", "ended_at": "2026-01-01T00:00:00+00:00",
    "facts": {"from_lsn": None, "to_lsn": 7, "binlog_file": "", "binlog_position": None,
              "gtid_executed": "", "server_version": "", "tool_version": "", "lock_time_s": 0.5,
              "more": {}},
    "server": {"variables": {}, "plugins": {}},
}  # fmt: skip
CONTENTS: dict[str, Any] = {
    "files": [[1, "shop/orders.ibd", 10, 10, 1, 1]],
    "packs": [[1, 500, "0" * 64, 0, 1, 10]],
    "phases": [0],
}


@contextmanager
def bounded(most_bytes: int) -> Iterator[None]:
    """Fail where more memory is taken meanwhile."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most_bytes
    finally:
        tracemalloc.stop()


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a structure, by the way to it."""
    keys = value.items() if isinstance(value, dict) else enumerate(value)
    return [
        found
        for key, each in keys
        for found in (
            [(*at, key), *(places(each, (*at, key)) if isinstance(each, (dict, list)) else [])]
        )
    ]


def changed(value: Any, changes: list[tuple[int, Any]]) -> Any:
    """Put other values into some places of a structure."""
    # Any: a way into JSON is of names and numbers.
    copy: Any = deepcopy(value)
    for number, new in changes:
        found = places(copy)
        if not found:
            continue
        *way, last = found[number % len(found)]
        inner = copy
        for key in way:
            inner = inner[key]
        inner[last] = deepcopy(new)
    return copy


CHANGES = st.lists(st.tuples(st.integers(0, 60), VALUES), min_size=1, max_size=4)


def sealed(body: Any) -> bytes:
    """Return a manifest with a right digest around any JSON."""

    class Anything:
        needs_others = False

        def as_json(self) -> Any:
            return body["contents"]

    envelope = new_envelope(BACKUP, "x", b"", None)
    return seal_manifest(envelope, body["about"], Anything(), Unencrypted())  # type: ignore[arg-type]


@HUNDREDS
@given(CHANGES)
def test_a_forged_manifest_is_refused_or_can_be_used(changes: list[tuple[int, Any]]) -> None:
    body = changed({"about": ABOUT, "contents": CONTENTS}, changes)
    if not isinstance(body.get("about"), (dict, list)) or "contents" not in body:
        return
    with suppress(ArchiveError):
        manifest, _ = open_manifest(sealed(body), None)
        assert all(is_safe_path(file.path) for file in manifest.contents.files)
        assert manifest.contents.raw_bytes < 1 << 63
        group_by_table(manifest.contents)
        assert (manifest.about["facts"].get("to_lsn") or 0) < 1 << 63


@HUNDREDS
@given(st.binary(max_size=300), st.integers(0, 400))
def test_bytes_of_a_manifest_are_refused(noise: bytes, at: int) -> None:
    good = sealed({"about": ABOUT, "contents": CONTENTS})
    for blob in (noise, good[:at], good[:at] + noise + good[at + len(noise) :]):
        with suppress(ArchiveError):
            read_envelope(blob)
            open_manifest(blob, None)


def test_a_small_manifest_of_many_rows_takes_no_memory() -> None:
    rows = b",".join([b'[1,"a",0,0,0,0]'] * 3_000_000)
    body = compress(b'{"about":{},"contents":{"files":[' + rows + b"]}}", 3)
    envelope = sealed({"about": ABOUT, "contents": CONTENTS})
    _, length = SKIPPABLE.unpack_from(envelope)
    front = envelope[: SKIPPABLE.size + length] + body
    digest = hashlib.sha256(front).digest()
    blob = front + SKIPPABLE.pack(0x184D2A52, len(digest)) + digest
    with bounded(8 << 20), pytest.raises(ArchiveError, match="claims"):
        open_manifest(blob, None)
    # Padded to be large enough for its content: but no packs are there that could hold it.
    with bounded(8 << 20), pytest.raises(ArchiveError, match="claims"):
        open_manifest(blob, None, lambda: 500)


@HUNDREDS
@given(CHANGES)
def test_a_forged_footer_is_refused_or_in_order(changes: list[tuple[int, Any]]) -> None:
    good = {"frames": [[0, 32, 100, 10, [[1, 0, 10]]]], "paths": {"1": "shop/orders.ibd"}}
    text = json.dumps(changed(good, changes)).encode()
    blob = Unencrypted().seal(SealedPart.FOOTER, 1, compress(text, 3), b"header")
    with suppress(ArchiveError):
        index = parse_footer(blob, 1, 132, header=b"header", cipher=Unencrypted())
        assert sum(place.stored_bytes for place in index.frames) == 100


@HUNDREDS
@given(CHANGES)
def test_forged_saved_tables_are_refused_or_stay_inside(changes: list[tuple[int, Any]]) -> None:
    good = {"schema": "s", "name": "t", "engine": "CSV", "path": f"{FOLDER}/s/t.sql", "rows": 1}
    with suppress(EngineError):
        for table in parse_saved_tables(changed([good], changes)):
            assert is_safe_path(table.path)
            assert table.path.startswith(f"{FOLDER}/")


LINES = st.sampled_from(
    ["[mysqld]", "[mariadb-backup]", "plugin_load=x", "plugin-dir=.", "!include /etc/x",
     "innodb_page_size=16384", "innodb_data_file_path=a:1M", "init_file=/x", "=", "\\", '"']
) | st.text(max_size=30)  # fmt: skip


@HUNDREDS
@given(st.lists(LINES, max_size=12))
def test_a_forged_option_file_gives_allowed_names_only(lines: list[str]) -> None:
    with suppress(EngineError):
        shaping = parse_shaping("\n".join(lines))
        assert set(shaping.settings) <= set(PATTERNS)
        assert all(value.isascii() and value.isprintable() for value in shaping.settings.values())


PATHS = st.sampled_from(
    ["a", "shop/t.ibd", "../x", "/etc/x", "a/../../x", "a\nb", "x.isl", "my.cnf"]
)
CHUNKS = st.one_of(
    st.builds(whole, PATHS, st.binary(max_size=30)),
    st.builds(piece, PATHS, st.binary(max_size=30), st.integers(0, 1 << 63)),
    st.builds(seek, PATHS, st.integers(0, (1 << 64) - 1)),
    st.builds(end, PATHS),
    st.binary(max_size=60),
)


@HUNDREDS
@given(st.lists(CHUNKS, max_size=8))
def test_a_forged_stream_is_refused_or_stays_inside(chunks: list[bytes]) -> None:
    with suppress(EngineError):
        for record in read_records(io.BytesIO(b"".join(chunks))):
            if isinstance(record, (FileOpened, FileRenamed)):
                assert is_safe_path(record.path)


@HUNDREDS
@given(st.dictionaries(st.sampled_from(["xtrabackup_checkpoints", "xtrabackup_info",
       "xtrabackup_binlog_info"]), st.text(max_size=80)))  # fmt: skip
def test_forged_metadata_is_refused_or_read(texts: dict[str, str]) -> None:
    with suppress(EngineError):
        facts = parse_facts(texts)
        assert facts.to_lsn is not None


@settings(max_examples=60)
@given(changes=CHANGES)
def test_a_restore_of_forged_contents_touches_nothing_outside(
    changes: list[tuple[int, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    base = tmp_path_factory.mktemp("forged")
    store = make_store(base / "store")
    folder = write_backup(store, records_of({"shop/a": b"rows" * 99, "b": b"x"}), encrypted=False)
    name = f"{folder}/manifest.json.zst"
    manifest, _ = open_manifest(store.read(name), None)
    body = {"about": dict(manifest.about), "contents": manifest.contents.as_json()}
    forged = changed(body["contents"], changes)
    if isinstance(forged, dict):
        envelope = manifest.envelope

        class Anything:
            needs_others = False

            def as_json(self) -> Any:
                return forged

        blob = seal_manifest(envelope, manifest.about, Anything(), Unencrypted())  # type: ignore[arg-type]
        store.replace(name, blob)
        before = listing(base)
        with suppress(ArchiveError, OSError):
            extract_backup(store, folder, base / "target")
        assert [path for path in listing(base) - before if path.parts[0] != "target"] == []


def listing(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*")}
