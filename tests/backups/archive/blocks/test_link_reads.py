"""A restore reads of each backup of a chain only the ranges that it needs, and says how much."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from backups.archive.extract import extract
from backups.archive.link_reads import LinkRead
from backups.archive.meter import Meter
from backups.repositories.directory import DirectoryStore
from tests.backups.archive.blocks.chains import Chain, changed
from tests.backups.archive.stores import MIB, contents_of, never_stop, open_backup, records_of


class CountingStore(DirectoryStore):
    """A repository that counts the bytes that are read of each backup's packs."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.read_bytes: Counter[str] = Counter()

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        found = super().read(name, offset, length)
        if name.endswith(".pack"):
            self.read_bytes[name.rpartition("/packs/")[0]] += len(found)
        return found


@dataclass
class Links:
    """What was reported of each backup."""

    began: list[int] = field(default_factory=list)
    reads: list[LinkRead] = field(default_factory=list)

    def link_began(self, number: int) -> None:
        self.began.append(number)

    def link_ended(self, number: int, read: LinkRead) -> None:
        assert number == self.began[-1]
        self.reads.append(read)


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    """Twenty MiB; then the first half of it changes; then a block of the second half."""
    chain = Chain(tmp_path)
    files = {"a.ibd": os.urandom(20 * MIB)}
    chain.add(records_of(files))
    files["a.ibd"] = changed(files["a.ibd"], 0, os.urandom(10 * MIB))
    chain.add(records_of(files))
    files["a.ibd"] = changed(files["a.ibd"], 16 * MIB, os.urandom(16 * 1024))
    chain.add(records_of(files))
    return chain


def test_only_what_is_needed_is_read(chain: Chain, tmp_path: Path) -> None:
    store = CountingStore(tmp_path / "repository")
    readers = [open_backup(store, link) for link in chain.links]
    links, target = Links(), tmp_path / "target"
    target.mkdir()
    extract(readers, target, threads=2, check=never_stop, meter=Meter(), watch=links)
    assert contents_of(target) == chain.restored()

    assert links.began == [0, 1, 2]
    full, first, second = links.reads
    # Frames have four MiB: of the full backup those of its second half, of the others all.
    assert 10 * MIB < full.read_bytes < 13 * MIB
    assert full.stored_bytes > 20 * MIB
    assert 10 * MIB < first.read_bytes < 11 * MIB
    assert second.read_bytes < 20_000
    # What came from the repository: frames, and the small parts that say where they are.
    for link, read in zip(chain.links, links.reads, strict=True):
        assert read.read_bytes <= store.read_bytes[link] < read.read_bytes + 200_000
