"""Are the tables of states whole, and do they lead to an end?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from django.db import models

from backups.states import (
    ACTIVE_JOB_STATUSES,
    APPROVAL_MOVES,
    COPY_MOVES,
    DELETION_MOVES,
    JOB_MOVES,
    OCCURRENCE_MOVES,
    OPEN_OCCURRENCE_STATUSES,
    STAGE_MOVES,
    TERMINAL_JOB_STATUSES,
    TERMINAL_OCCURRENCE_STATUSES,
    TERMINAL_STAGE_STATUSES,
    ApprovalStatus,
    CopyStatus,
    DeletionStatus,
    JobStatus,
    OccurrenceStatus,
    StageStatus,
)

tables = pytest.mark.parametrize(
    ("statuses", "moves", "first"),
    [
        (JobStatus, JOB_MOVES, JobStatus.PENDING),
        (StageStatus, STAGE_MOVES, StageStatus.PENDING),
        (CopyStatus, COPY_MOVES, CopyStatus.STORED),
        (DeletionStatus, DELETION_MOVES, DeletionStatus.MARKED),
        (ApprovalStatus, APPROVAL_MOVES, ApprovalStatus.REQUESTED),
    ],
)


def reachable(moves: Mapping[Any, frozenset[Any]], start: object) -> set[object]:
    """Every status a row can come to from ``start``, itself included."""
    found, left = {start}, [start]
    while left:
        new = moves[left.pop()] - found
        found |= new
        left += new
    return found


@tables
def test_every_status_is_in_its_table(
    statuses: type[models.TextChoices], moves: Mapping[Any, frozenset[Any]], first: object
) -> None:
    assert set(moves) == set(statuses)
    assert reachable(moves, first) == set(statuses)


@tables
def test_from_every_status_there_is_a_way_to_an_end_and_none_back(
    statuses: type[models.TextChoices], moves: Mapping[Any, frozenset[Any]], first: object
) -> None:
    ends = {status for status, further in moves.items() if not further}
    for status in statuses:
        assert reachable(moves, status) & ends
        assert all(status not in reachable(moves, further) for further in moves[status])


@tables
def test_a_status_is_a_lower_case_word_that_fits_its_column(
    statuses: type[models.TextChoices], moves: object, first: object
) -> None:
    for value in statuses.values:
        assert value.isalpha() and value == value.lower() and len(value) <= 10


def test_a_job_is_either_active_or_ended() -> None:
    assert {JobStatus.PENDING, JobStatus.RUNNING} == ACTIVE_JOB_STATUSES
    assert set(JobStatus) == TERMINAL_JOB_STATUSES | ACTIVE_JOB_STATUSES
    assert {
        StageStatus.SUCCEEDED,
        StageStatus.FAILED,
        StageStatus.REFUSED,
        StageStatus.SKIPPED,
    } == TERMINAL_STAGE_STATUSES


def test_an_occurrence_comes_back_for_a_retry_or_a_run_that_turns_up() -> None:
    assert set(OCCURRENCE_MOVES) == set(OccurrenceStatus)
    assert reachable(OCCURRENCE_MOVES, OccurrenceStatus.DUE) == set(OccurrenceStatus)
    assert {OccurrenceStatus.DUE, OccurrenceStatus.RUNNING} == OPEN_OCCURRENCE_STATUSES
    assert set(OccurrenceStatus) == TERMINAL_OCCURRENCE_STATUSES | OPEN_OCCURRENCE_STATUSES
    back = [old for old, moves in OCCURRENCE_MOVES.items() if OccurrenceStatus.DUE in moves]
    assert back == [OccurrenceStatus.RUNNING, OccurrenceStatus.MISSED]
    # What ran was not missed, and nobody stands for it.
    never_ran = {OccurrenceStatus.MISSED, OccurrenceStatus.SKIPPED}
    assert not OCCURRENCE_MOVES[OccurrenceStatus.RUNNING] & never_ran


def test_only_a_running_job_can_succeed_or_be_lost() -> None:
    for to in (JobStatus.SUCCEEDED, JobStatus.LOST):
        assert [old for old, moves in JOB_MOVES.items() if to in moves] == [JobStatus.RUNNING]
