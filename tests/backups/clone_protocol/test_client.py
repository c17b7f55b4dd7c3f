"""Does a clone come whole, or end cleanly, whatever the donor does?"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from backups.clone_protocol import (
    Block,
    CloneStopped,
    ConnectionLost,
    DonorError,
    ProtocolError,
    State,
    clone,
)
from backups.clone_protocol.descriptors import FileFlag
from backups.clone_protocol.envelope import Described, Locator, Locators
from backups.clone_protocol.transport import LONGEST_PACKET
from tests.backups.clone_protocol.cloning import (
    COPY,
    WHOLE,
    broken,
    cloning,
    running_threads,
    summary,
    taken_from,
)
from tests.backups.clone_protocol.donor import (
    COMPLETE,
    CUT,
    INTRODUCTION,
    LOCATOR,
    AwaitEvent,
    Donor,
    Step,
    block,
    end,
    failure,
    file,
    message,
    small_copy,
    start,
)


def test_a_clone_comes_whole_and_in_order() -> None:
    with Donor() as donor:
        assert taken_from(donor) == WHOLE
    assert [ack.error for ack in donor.acks] == [0, 0, 0, 0]
    assert {ack.locator for ack in donor.acks} == {LOCATOR}
    assert donor.exits == 2
    assert running_threads() == set()


def test_an_ack_is_the_state_with_its_flag_raised() -> None:
    with Donor() as donor:
        taken_from(donor)
    init = end(State.INIT)[3:]
    assert donor.acks[0].descriptor == init[:-2] + b"\x00\x02"


def test_the_donor_introduces_itself() -> None:
    with Donor() as donor, cloning(donor) as stream:
        facts = stream.donor
    assert facts.configuration == {"innodb_page_size": "16384"}
    assert [plugin.library for plugin in facts.plugins] == ["mysql_clone.so"]
    assert facts.collations == ("utf8mb4_bin",)
    assert facts.protocol == 0x0102


@pytest.mark.parametrize(
    ("version", "ddl_allowed"),
    [("8.0.26", False), ("8.0.27-log", True), ("8.4.0", True), ("10", False)],
)
def test_the_lock_is_left_out_where_the_donor_can_do_without(
    version: str, ddl_allowed: bool
) -> None:
    with Donor(server_version=version) as donor:
        taken_from(donor)
    assert [opening.ddl_allowed for opening in donor.openings] == [ddl_allowed]
    assert donor.openings[0].ddl_timeout_seconds == 300


def test_the_lock_is_taken_when_requested() -> None:
    with Donor() as donor, clone(donor.endpoint.connect, block_ddl=True) as stream:
        list(stream.records())
    assert not donor.openings[0].ddl_allowed


@pytest.mark.parametrize("steps", range(len(COPY)))
def test_a_cut_connection_is_noticed_wherever_it_happens(steps: int) -> None:
    with Donor(copy=[*COPY[:steps], CUT]) as donor, pytest.raises(ConnectionLost):
        taken_from(donor)
    assert running_threads() == set()


@pytest.mark.parametrize("steps", range(len(INTRODUCTION)))
def test_a_connection_cut_in_the_introduction_is_noticed(steps: int) -> None:
    with Donor(introduction=[*INTRODUCTION[:steps], CUT]) as donor, pytest.raises(ConnectionLost):
        taken_from(donor)


@pytest.mark.parametrize("steps", range(len(COPY)))
def test_the_donors_own_error_is_passed_on(steps: int) -> None:
    with Donor(copy=[*COPY[:steps], failure(3872, "no TLS")]) as donor:
        with pytest.raises(DonorError, match="error 3872: no TLS") as caught:
            taken_from(donor)
        assert "TLS" in caught.value.hint
    # The donor knows: nobody has to tell it.
    assert not donor.given_up.is_set() or donor.exits == 2
    assert donor.exits == 2


UNKNOWN_TYPE = bytes.fromhex("00000064 0000000c 00000009")
OUT_OF_TURN: list[tuple[str, list[Step], str]] = [
    ("unknown type", broken(5, message(2, b"\x0c\x00" + UNKNOWN_TYPE)), "unknown type 9"),
    ("unknown response", broken(5, message(42, b"?")), "unknown response 42"),
    ("another engine", broken(5, message(2, b"\x2a\x00" + UNKNOWN_TYPE)), "storage engine 42"),
    ("early end", [*COPY[:8], COMPLETE], "reported completion in FILE_COPY"),
    ("skipped state", broken(3, start(State.PAGE_COPY)), "began PAGE_COPY in INIT"),
    ("started twice", broken(4, start(State.FILE_COPY)), "began FILE_COPY in FILE_COPY"),
    ("ended twice", broken(2, end(State.INIT)), "ended INIT in INIT"),
    ("unknown file", broken(6, *block(State.FILE_COPY, 9, 0, b"x")), "unknown file 9"),
    ("late bytes", broken(12, *block(State.FILE_COPY, 0, 0, b"x")), "bytes of FILE_COPY in FILE"),
    ("early bytes", broken(6, *block(State.PAGE_COPY, 0, 0, b"x")), "bytes of PAGE_COPY in FILE"),
    ("no bytes", broken(6, block(State.FILE_COPY, 0, 0, b"x")[0], COMPLETE), "COMPLETE where data"),
    ("short bytes", broken(6, block(State.FILE_COPY, 0, 0, b"xy")[0], message(3, b"x")), "1 bytes"),
    ("bare bytes", broken(6, message(3, b"x")), "without a descriptor"),
    ("escaping path", broken(5, file(State.FILE_COPY, 5, b"./../../etc/x")), r"\.\./etc/x"),
    ("no path", broken(5, file(State.FILE_COPY, 5, b"")), "invalid file name ''"),
    ("path twice", broken(5, file(State.FILE_COPY, 5, b"./ibdata1")), "two files named ibdata1"),
    ("setting", broken(6, INTRODUCTION[2]), "a setting while copying"),
]


@pytest.mark.parametrize(
    ("copy", "reason"), [case[1:] for case in OUT_OF_TURN], ids=[case[0] for case in OUT_OF_TURN]
)
def test_what_is_out_of_turn_is_refused(copy: Sequence[Step], reason: str) -> None:
    with Donor(copy=copy) as donor, pytest.raises(ProtocolError, match=reason):
        taken_from(donor)
    assert running_threads() == set()


@pytest.mark.parametrize(
    ("introduction", "reason"),
    [
        ([COMPLETE], "without a locator"),
        ([message(1, Locators(0x0103, (LOCATOR,)).build()), COMPLETE], "unknown protocol 0x103"),
        ([message(1, Locators(0x0102, ()).build()), COMPLETE], "storage engines ;"),
        (
            [message(1, Locators(0x0102, (LOCATOR, Locator(42, b""))).build()), COMPLETE],
            "storage engines 12, 42",
        ),
        ([message(2, Described(12, 0, b"").build()), COMPLETE], "before the copy was requested"),
    ],
)
def test_a_strange_introduction_is_refused(introduction: Sequence[Step], reason: str) -> None:
    with Donor(introduction=introduction) as donor, pytest.raises(ProtocolError, match=reason):
        taken_from(donor)


@pytest.mark.parametrize(
    ("code", "hint"), [(1227, "BACKUP_ADMIN"), (1524, "INSTALL PLUGIN clone"), (1047, "8.0.17")]
)
def test_a_donor_that_refuses_says_what_to_do(code: int, hint: str) -> None:
    with Donor(refuse_clone=(code, "no")) as donor, pytest.raises(DonorError) as caught:
        taken_from(donor)
    assert caught.value.code == code
    assert hint in caught.value.hint


def test_a_second_clone_is_refused_with_the_reason() -> None:
    with Donor(introduction=[failure(3634, "Too many")]) as donor, cloning(donor) as stream:
        with pytest.raises(DonorError, match="3634"):
            _ = stream.donor
        with pytest.raises(DonorError, match="3634"):
            next(stream.records())


def test_a_silent_donor_is_given_up() -> None:
    never = threading.Event()
    with Donor(copy=[*COPY[:8], AwaitEvent(never)]) as donor:
        with pytest.raises(ConnectionLost, match="sent nothing on"):
            taken_from(donor, read_timeout_seconds=0.2)
        # It is informed all the same: the second connection still works.
        assert donor.given_up.wait(5)


def test_stop_ends_a_wait_for_the_donor_and_tells_it() -> None:
    never = threading.Event()
    with Donor(copy=[*COPY[:8], AwaitEvent(never)]) as donor, cloning(donor) as stream:
        records = stream.records()
        while summary(next(records)) != "0@0 AAAA":
            pass
        threading.Timer(0.05, stream.stop).start()
        with pytest.raises(CloneStopped):
            list(records)
        stream.stop()
        assert donor.given_up.wait(5)
    assert [ack.error for ack in donor.acks] == [0, 1317]
    assert donor.exits == 2
    assert running_threads() == set()


def test_stop_ends_a_wait_for_the_introduction() -> None:
    never = threading.Event()
    with Donor(introduction=[AwaitEvent(never)]) as donor, cloning(donor) as stream:
        threading.Timer(0.05, stream.stop).start()
        with pytest.raises(CloneStopped):
            _ = stream.donor


def test_leaving_early_tells_the_donor() -> None:
    never = threading.Event()
    with Donor(copy=[*COPY[:8], AwaitEvent(never)]) as donor:
        with cloning(donor) as stream:
            next(stream.records())
        assert donor.given_up.is_set()
    assert donor.exits == 2


def test_a_client_error_tells_the_donor() -> None:
    copy = broken(6, message(2, b"\x0c\x00" + UNKNOWN_TYPE), AwaitEvent(threading.Event()))
    with Donor(copy=copy) as donor:
        with pytest.raises(ProtocolError):
            taken_from(donor)
        assert donor.given_up.is_set()
    assert donor.exits == 2


def test_a_message_longer_than_a_packet_comes_whole() -> None:
    content = b"x" * (2 * LONGEST_PACKET + 7)
    for size in (LONGEST_PACKET - 1, 2 * LONGEST_PACKET - 1, len(content)):
        copy = broken(6, *block(State.FILE_COPY, 0, 4, content[:size]))
        with Donor(copy=copy) as donor, cloning(donor) as stream:
            sizes = [len(r.payload) for r in stream.records() if isinstance(r, Block)]
        assert sizes[0] == size


def test_what_ddl_did_is_reported_between_the_states() -> None:
    ddl: list[Step] = [
        file(State.PAGE_COPY, 1, b"./shop/renamed.ibd", flags=FileFlag.RENAMED),
        file(State.PAGE_COPY, 2, b"./shop/t.ibd", size=9),
        file(State.PAGE_COPY, 0, b"", flags=FileFlag.DELETED),
    ]
    with Donor(copy=small_copy(*ddl)) as donor:
        found = taken_from(donor)
    between = found[found.index("FILE_COPY ended") + 1 : found.index("PAGE_COPY started")]
    assert between == ["0 deleted", "→ shop/renamed.ibd", "shop/t.ibd"]


def test_no_more_workers_than_a_donor_can_take() -> None:
    with Donor() as donor, pytest.raises(ValueError, match="16 worker connections"):
        taken_from(donor, 16)
