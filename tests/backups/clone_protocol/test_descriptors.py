"""Is every descriptor read back as it was written, and nothing else read at all?"""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.clone_protocol.descriptors import (
    KEY_BYTES,
    DataDescriptor,
    Descriptor,
    FileDescriptor,
    FileFlag,
    LocatorDescriptor,
    State,
    StateDescriptor,
    StateFlag,
    TaskDescriptor,
    parse_descriptor,
)
from backups.clone_protocol.errors import ProtocolError

u8 = st.integers(0, 2**8 - 1)
u32 = st.integers(0, 2**32 - 1)
u64 = st.integers(0, 2**64 - 1)
states = st.sampled_from(State)
names = st.binary(max_size=80).map(lambda name: name.replace(b"\0", b"_"))
keys = st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES)


@st.composite
def file_descriptors(draw: st.DrawFn) -> FileDescriptor:
    flags = FileFlag(draw(st.integers(0, 63)))
    secret = (draw(keys), draw(keys)) if flags & FileFlag.KEY else (b"", b"")
    numbers = (draw(states), draw(u64), draw(u64), draw(u32), draw(u32), flags)
    return FileDescriptor(
        *numbers, draw(u32), draw(u32), draw(u32), draw(u32), draw(names), *secret
    )


data_descriptors = st.builds(
    DataDescriptor, states, u32, u32, u32, u32, u32, st.integers(0, 2**63 - 2**32 - 1), u64
)
descriptors: st.SearchStrategy[Descriptor] = st.one_of(
    st.builds(LocatorDescriptor, u64, u64, u32, u8, u8, st.binary(max_size=64)),
    st.builds(TaskDescriptor, u32, u32, u32),
    st.builds(StateDescriptor, states, u32, u32, u32, u64, u64, st.sampled_from(StateFlag)),
    file_descriptors(),
    data_descriptors,
)


@given(descriptors)
def test_what_is_built_is_parsed_back(descriptor: Descriptor) -> None:
    assert parse_descriptor(descriptor.build()) == descriptor


@given(descriptors, st.data())
def test_every_truncation_is_refused(descriptor: Descriptor, data: st.DataObject) -> None:
    whole = descriptor.build()
    with pytest.raises(ProtocolError):
        parse_descriptor(whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(descriptors, st.binary(min_size=1, max_size=9))
def test_what_follows_the_end_is_refused(descriptor: Descriptor, more: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_descriptor(descriptor.build() + more)


@given(st.binary(max_size=200))
def test_random_bytes_are_refused_or_mean_what_they_are(content: bytes) -> None:
    try:
        parsed = parse_descriptor(content)
    except ProtocolError:
        return
    assert parsed.build() == content


@given(descriptors, st.data())
def test_a_changed_byte_is_refused_or_read_as_it_is(
    descriptor: Descriptor, data: st.DataObject
) -> None:
    content = bytearray(descriptor.build())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        parsed = parse_descriptor(content)
    except ProtocolError:
        return
    assert parsed.build() == content


def header(body: bytes, *, version: int = 100, kind: int = 2) -> bytes:
    return struct.pack(">III", version, 12 + len(body), kind) + body


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cut short"),
        (header(bytes(12), version=101), "version 101"),
        (header(bytes(12), kind=6), "unknown type 6"),
        (header(bytes(12), kind=0), "unknown type 0"),
        (header(bytes(12))[:-1], "23 bytes that says 24"),
        (header(bytes(13)), "another length"),
        (header(struct.pack(">IIIIQQH", 6, 0, 0, 0, 0, 0, 0), kind=3), "unknown state 6"),
        (header(struct.pack(">IIIIQQH", 0, 0, 0, 0, 0, 0, 0), kind=3), "unknown state 0"),
        (header(struct.pack(">IIIIQQH", 1, 0, 0, 0, 0, 0, 4), kind=3), "unknown flags 4"),
    ],
)
def test_it_says_what_it_does_not_know(content: bytes, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason):
        parse_descriptor(content)


@pytest.mark.parametrize("flags", [64, 0x8000])
def test_an_unknown_file_flag_is_refused(flags: int) -> None:
    built = bytearray(
        FileDescriptor(State.FILE_COPY, 0, 0, 0, 0, FileFlag(0), 0, 0, 0, 0, b"a").build()
    )
    built[40:42] = flags.to_bytes(2, "big")
    with pytest.raises(ProtocolError, match="unknown flags"):
        parse_descriptor(built)


def test_layouts_are_what_servers_send() -> None:
    # Recorded from 9.7.4: the locator of a clone just begun.
    recorded = bytes.fromhex("00000064000000220000000100000000000000010000000000000002000000000100")
    assert parse_descriptor(recorded) == LocatorDescriptor(1, 2, 0, 1, 0)


def test_a_key_is_not_shown() -> None:
    file = FileDescriptor(
        State.FILE_COPY, 0, 0, 0, 0, FileFlag.KEY, 0, 0, 0, 0, b"a", b"k" * 32, b"i" * 32
    )
    assert "kkkk" not in repr(file)
    assert "iiii" not in repr(file)
