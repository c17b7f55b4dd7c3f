"""Can everything still be read that formats 1 and 2 ever wrote?

``tests/data/repository-format-1``, ``-2`` and ``repository-differences`` were written by the
versions that introduced what is in them, and are never written again. Where a test here fails, the
format has changed: it needs a new number.
"""

from __future__ import annotations

import hashlib
import json
import random
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
import zstandard

from backups.archive.blocks.verify import verify_chain
from backups.archive.extract import extract
from backups.archive.keys import parse_keyring
from backups.archive.meter import Meter
from backups.archive.reader import BackupReader
from backups.archive.verify import verify
from backups.repositories.directory import DirectoryStore
from backups.repositories.layout import INSTANCES, folder_of_manifest
from tests.backups.archive.stores import SCRIPT, contents_of, never_stop

DATA = Path(__file__).parents[2] / "data"
GOLDEN, GOLDEN_2 = DATA / "repository-format-1", DATA / "repository-format-2"
# Of format 2 too, with differences.
GOLDEN_3 = DATA / "repository-differences"
LABELS = ["golden@20260302T010000Z-F", "golden@20260303T010000Z-F"]  # sealed, unencrypted
EXPECTED = {
    "ibdata1": b"dictionary" * 500,
    # A hole before, two phases behind.
    "shop/orders.ibd": bytes(32768) + b"new" + b"o" * 4093 + bytes(4096),
    "shop/empty.isl": b"",
    "odd/na me ü.MYD": b"renamed",
}
PAGE = 16 * 1024
ORDERS = bytes(34) + (7).to_bytes(4, "big") + b"a" * (PAGE - 38)
ITEMS = bytes(34) + (8).to_bytes(4, "big") + b"b" * (PAGE - 38)
FULL = {
    "ibdata1": b"dictionary" * 5000,
    # The last page came again in a later phase.
    "shop/orders.ibd": ORDERS + b"c" * PAGE + b"d" * PAGE,
    "shop/items.ibd": ITEMS + b"e" * PAGE,
    "shop/old.frm": b"frm",
}
LINK = {
    # Shorter; renamed to each other's names, with zeros and two later phases.
    "ibdata1": (b"dictionary" * 5000)[:20_000],
    "shop/items.ibd": ORDERS + bytes(PAGE) + b"f" * PAGE,
    "shop/orders.ibd": ITEMS + b"g" * 4096 + b"e" * (PAGE - 4096),
    "shop/new.frm": b"frm 2",
}
CHAINS = {
    # Sealed.
    "golden@20260401T010000Z-F": FULL,
    "golden@20260402T010000Z-I": LINK,
    "golden@20260403T010000Z-I": {**LINK, "shop/orders.ibd": LINK["shop/orders.ibd"] + b"h" * 9},
    "golden@20260404T010000Z-D": {**FULL, "ibdata1": b"i" * PAGE + FULL["ibdata1"][PAGE:]},
    # Unencrypted.
    "golden@20260405T010000Z-F": FULL,
    "golden@20260406T010000Z-I": LINK,
}
NEEDS = {
    "golden@20260402T010000Z-I": ["golden@20260401T010000Z-F"],
    "golden@20260403T010000Z-I": ["golden@20260401T010000Z-F", "golden@20260402T010000Z-I"],
    "golden@20260404T010000Z-D": ["golden@20260401T010000Z-F"],
    "golden@20260406T010000Z-I": ["golden@20260405T010000Z-F"],
}
PAGES = random.Random(5).randbytes(5 * PAGE)
DIFFERING = {
    "golden@20260501T010000Z-F": {"a.ibd": PAGES},
    "golden@20260502T010000Z-I": {"a.ibd": PAGES[:100] + b"1" + PAGES[101:]},
    "golden@20260503T010000Z-I": {"a.ibd": PAGES[: 3 * PAGE] + b"2" + PAGES[3 * PAGE + 1 :] + b"3"},
}
NEEDS_DIFFERENCES = {
    label: list(DIFFERING)[:number] for number, label in enumerate(DIFFERING) if number
}


def reader_of(label: str, golden: Path = GOLDEN) -> BackupReader:
    store = DirectoryStore(golden / "repository")
    folders = [f for name in store.list(INSTANCES) if (f := folder_of_manifest(name))]
    [folder] = [folder for folder in folders if folder.endswith(label)]
    keyring = parse_keyring((golden / "backup.key").read_text(), source="golden")
    return BackupReader(store, folder, keyring)


@pytest.mark.parametrize("golden", [GOLDEN, GOLDEN_2])
def test_the_repository_is_one(golden: Path) -> None:
    identity = DirectoryStore(golden / "repository").identity()
    assert (identity.uuid, identity.format_version) == ("00000000-0000-4000-8000-0000000000aa", 1)


@pytest.mark.parametrize("label", LABELS)
def test_the_reader_opens_format_1(tmp_path: Path, label: str) -> None:
    reader = reader_of(label)

    assert verify(reader, threads=1, check=never_stop, meter=Meter()).damages == []
    extract([reader], tmp_path, threads=1, check=never_stop, meter=Meter())
    assert contents_of(tmp_path) == EXPECTED
    assert reader.manifest.about["facts"]["gtid_executed"] == "0-1-42"
    assert len(reader.manifest.contents.packs) > 1


def run_program(golden: Path, label: str, target: Path) -> None:
    argv = [sys.executable, "-I", SCRIPT, golden / "repository", "--label", label, "--allow-plain"]
    argv += ["--key-file", golden / "backup.key", "--to", target]
    subprocess.run(list(map(str, argv)), check=True, capture_output=True)


@pytest.mark.parametrize("label", LABELS)
def test_the_program_without_mooring_opens_format_1(tmp_path: Path, label: str) -> None:
    run_program(GOLDEN, label, tmp_path)
    assert contents_of(tmp_path) == EXPECTED


@pytest.mark.parametrize("label", CHAINS)
def test_the_reader_opens_format_2(tmp_path: Path, label: str) -> None:
    chain = [reader_of(each, GOLDEN_2) for each in (*NEEDS.get(label, ()), label)]
    manifest = chain[-1].manifest

    assert manifest.envelope.format == (2 if label in NEEDS else 1)
    assert verify_chain(chain, threads=1, check=never_stop, meter=Meter()).damages == []
    extract(chain, tmp_path, threads=1, check=never_stop, meter=Meter())
    assert contents_of(tmp_path) == CHAINS[label]
    assert manifest.contents.blocks
    assert [each.label for each in manifest.contents.blocks.ancestors] == NEEDS.get(label, [])
    # What the base has is not stored again.
    assert label not in NEEDS or manifest.contents.raw_bytes < 5 * PAGE


@pytest.mark.parametrize("label", CHAINS)
def test_the_program_without_mooring_opens_format_2(tmp_path: Path, label: str) -> None:
    run_program(GOLDEN_2, label, tmp_path)
    assert contents_of(tmp_path) == CHAINS[label]


@pytest.mark.parametrize("label", DIFFERING)
def test_both_readers_open_differences(tmp_path: Path, label: str) -> None:
    chain = [reader_of(each, GOLDEN_3) for each in (*NEEDS_DIFFERENCES.get(label, ()), label)]
    blocks = chain[-1].manifest.contents.blocks
    assert blocks
    assert bool(blocks.differences) == (label in NEEDS_DIFFERENCES)
    assert verify_chain(chain, threads=1, check=never_stop, meter=Meter()).damages == []
    (ours := tmp_path / "ours").mkdir()
    extract(chain, ours, threads=1, check=never_stop, meter=Meter())
    assert contents_of(ours) == DIFFERING[label]
    run_program(GOLDEN_3, label, tmp_path / "theirs")
    assert contents_of(tmp_path / "theirs") == DIFFERING[label]


def test_a_footer_is_as_the_document_says() -> None:
    """Read by hand, from section 5 of docs/format.md: extract_backup.py has no need of it."""
    reader = reader_of(LABELS[1])
    listed = reader.manifest.contents.packs[0]
    pack = (GOLDEN / "repository" / reader.pack_object(1)).read_bytes()
    assert (len(pack), hashlib.sha256(pack).hexdigest()) == (listed.stored_bytes, listed.sha256)

    header, trailer = pack[:32], pack[-24:]
    assert header == b"MOORPACK" + struct.pack("<HHI", 1, 0, 1) + reader.backup.bytes
    offset, length, checksum = struct.unpack("<QII", trailer[:16])
    assert (checksum, trailer[16:]) == (zlib.crc32(trailer[:12]), b"MOOR-END")
    assert offset + length + 24 == len(pack)

    sealed = pack[offset : offset + length]
    bound = struct.pack("<IQ", 2, 1) + struct.pack("<I", 32) + header
    assert hashlib.sha256(bound + sealed[:-16]).digest()[:16] == sealed[-16:]
    footer = json.loads(zstandard.ZstdDecompressor().decompress(sealed[:-16]))
    frame, at, stored, raw, extents = footer["frames"][0]
    assert (frame, at, raw) == (0, 32, sum(length for _, _, length in extents))
    assert pack[at : at + 4] == b"MFR1"
    assert at + stored <= offset
    assert set(footer["paths"]) == {str(file) for file, _, _ in extents}
