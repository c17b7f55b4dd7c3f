"""Do further connections bring their share, and each within its state?"""

from __future__ import annotations

import threading

import pytest

from backups.clone_protocol import CloneError, ConnectionLost, DonorError, ProtocolError, State
from backups.clone_protocol.descriptors import LocatorDescriptor, StateFlag
from tests.backups.clone_protocol.cloning import (
    WHOLE,
    cloning,
    running_threads,
    summary,
    taken_from,
)
from tests.backups.clone_protocol.donor import (
    COMPLETE,
    CUT,
    AwaitEvent,
    Donor,
    Step,
    block,
    described,
    end,
    failure,
    message,
    start,
    state,
)


def share(*steps: Step) -> list[Step]:
    return [*steps, COMPLETE]


def worker_blocks() -> list[Step]:
    steps: list[Step] = [*block(State.FILE_COPY, 0, 4, b"wwww"), end(State.FILE_COPY)]
    for which in (State.PAGE_COPY, State.REDO_COPY):
        waiting = state(which, StateFlag.START_ACK)
        steps += [waiting, start(which), *block(which, 0, 8, which.name[:4].encode()), end(which)]
    return share(*steps, start(State.DONE))


def test_workers_bring_their_share_within_its_state() -> None:
    with Donor(shares=[worker_blocks(), worker_blocks()]) as donor, cloning(donor, 2) as stream:
        found = [summary(record) for record in stream.records()]
        assert stream.attached_workers == 2
    for name, content in (("FILE", "0@4 wwww"), ("PAGE", "0@8 PAGE"), ("REDO", "0@8 REDO")):
        inside = found[found.index(f"{name}_COPY started") : found.index(f"{name}_COPY ended")]
        assert inside.count(content) == 2
    assert donor.exits == 4
    assert running_threads() == set()


def test_a_state_is_not_acknowledged_before_a_slow_worker_has_ended_it() -> None:
    slow = threading.Event()
    late = share(AwaitEvent(slow), *block(State.FILE_COPY, 0, 4, b"late"), end(State.FILE_COPY))
    with Donor(shares=[late]) as donor, cloning(donor, 1) as stream:
        records = stream.records()
        while summary(next(records)) != "1@0 BBBB":
            pass
        assert len(donor.acks) == 1
        slow.set()
        assert summary(next(records)) == "0@4 late"
        assert summary(next(records)) == "FILE_COPY ended"
        assert summary([*records][-1]) == "DONE started"


@pytest.mark.parametrize(
    ("steps", "error"),
    [
        ([CUT], ConnectionLost),
        ([*block(State.FILE_COPY, 0, 4, b"wwww"), CUT], ConnectionLost),
        ([end(State.FILE_COPY), *block(State.FILE_COPY, 0, 4, b"x")], ProtocolError),
        ([failure(1105, "worker broke")], DonorError),
        ([described(LocatorDescriptor(1, 1, 1, 1, 1)), message(7, b"?")], ProtocolError),
    ],
)
def test_a_clone_without_a_workers_share_is_not_whole(
    steps: list[Step], error: type[CloneError]
) -> None:
    with Donor(shares=[steps]) as donor, pytest.raises(error):
        taken_from(donor, 1)
    assert running_threads() == set()


def test_a_worker_the_donor_does_not_want_is_left_out() -> None:
    with Donor(refuse_attach=(3634, "enough")) as donor, cloning(donor, 2) as stream:
        assert [summary(record) for record in stream.records()] == WHOLE
        assert stream.attached_workers == 0
