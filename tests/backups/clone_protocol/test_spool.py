"""Is a consumer that stalls waited for, within limits, and reported when it takes too long?"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.clone_protocol import Block, CloneStopped, SpoolFull, SpoolLimits, State, clone
from backups.clone_protocol.descriptors import TaskDescriptor
from backups.clone_protocol.spool import Lane, Spool
from tests.backups.clone_protocol.cloning import broken
from tests.backups.clone_protocol.donor import Donor, Step, block


def many_blocks(count: int, size: int) -> list[Step]:
    steps: list[Step] = []
    for number in range(count):
        steps += block(State.FILE_COPY, 0, number * size, bytes((number % 256,)) * size)
    return broken(6, *steps)


def test_a_stalled_consumer_is_waited_for_out_of_a_sealed_file(tmp_path: Path) -> None:
    limits = SpoolLimits(memory_bytes=2 << 20, patience_seconds=0.02, burst_bytes=1 << 20)
    with (
        Donor(copy=many_blocks(60, 500_000)) as donor,
        clone(donor.endpoint.connect, limits=limits, spool_folder=tmp_path) as stream,
    ):
        records = stream.records()
        next(records)
        deadline = time.monotonic() + 20
        while stream.spilled_bytes < 10_000_000 and time.monotonic() < deadline:
            time.sleep(0.01)
        blocks = [r for r in records if isinstance(r, Block) and len(r.payload) == 500_000]
        assert [b.offset // 500_000 for b in blocks] == list(range(60))
        assert all(b.payload == bytes((n % 256,)) * 500_000 for n, b in enumerate(blocks))
        assert stream.spilled_bytes >= 10_000_000
        assert list(tmp_path.iterdir()) == []


def test_a_stall_longer_than_the_spool_fails_with_the_reason() -> None:
    limits = SpoolLimits(memory_bytes=1 << 20, disk_bytes=2 << 20, patience_seconds=0.02)
    with (
        Donor(copy=many_blocks(60, 500_000)) as donor,
        clone(donor.endpoint.connect, limits=limits) as stream,
    ):
        records = stream.records()
        next(records)
        assert donor.given_up.wait(20)
        with pytest.raises(SpoolFull, match="spool of 2097152 bytes is full"):
            list(records)


DESCRIPTOR = TaskDescriptor(0, 0, 0)


def test_a_disk_that_is_full_fails_with_the_reason() -> None:
    limits = SpoolLimits(memory_bytes=1000, patience_seconds=0.01)
    spool = Spool(limits, Path("/no/such/folder"))
    spool.put(DESCRIPTOR, memoryview(bytes(1000)), Lane())
    with pytest.raises(SpoolFull, match="cannot be written: No such file"):
        spool.put(DESCRIPTOR, memoryview(bytes(1000)), Lane())
    spool.close()


@given(st.lists(st.binary(max_size=3000), max_size=30), st.integers(600, 4000))
def test_everything_comes_out_in_its_order_once(contents: list[bytes], memory: int) -> None:
    limits = SpoolLimits(memory_bytes=memory, patience_seconds=0, burst_bytes=1000)
    spool, lane = Spool(limits), Lane()
    for content in contents:
        spool.put(DESCRIPTOR, memoryview(content), lane)
    spool.finish()
    found = []
    while (delivery := spool.take()) is not None:
        found.append(bytes(delivery[1]))
    spool.close()
    assert found == contents


def test_what_lies_on_disk_cannot_be_read(tmp_path: Path) -> None:
    spool, lane = Spool(SpoolLimits(memory_bytes=1, patience_seconds=0), tmp_path), Lane()
    secret = b"the key of a tablespace" * 100
    for _ in range(3):
        spool.put(DESCRIPTOR, memoryview(secret), lane)
    open_files = [Path(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")]
    on_disk = [f.read_bytes() for f in open_files if str(tmp_path) in os.path.realpath(f)]
    assert len(on_disk) == 1
    assert len(on_disk[0]) > 2 * len(secret)
    assert b"tablespace" not in on_disk[0]
    spool.close()


def test_disk_is_used_again_once_all_has_been_taken() -> None:
    limits = SpoolLimits(memory_bytes=1, disk_bytes=5000, patience_seconds=0)
    spool, lane = Spool(limits), Lane()
    for _ in range(20):
        for _ in range(4):
            spool.put(DESCRIPTOR, memoryview(bytes(1000)), lane)
        for _ in range(4):
            spool.take()
    spool.close()


def test_the_first_reason_reaches_everybody() -> None:
    spool = Spool(SpoolLimits())
    first = CloneStopped("first")
    spool.fail(first)
    spool.fail(CloneStopped("second"))
    for use in (spool.take, lambda: spool.put(DESCRIPTOR, memoryview(b"x"), Lane())):
        with pytest.raises(CloneStopped, match="first"):
            use()
