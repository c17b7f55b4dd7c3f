"""How long is a delay when no tick ran or the clock jumped, and what is said when it is over?"""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.utils.timezone import now

from backups.models import Backup, BackupCopy, Job
from backups.retention.delays import LONGEST_STEP, unseen
from backups.retention.expiry import expire_backups
from backups.states import DeletionStatus, JobStatus
from tests.backups.retention.test_deletions import (
    DAY,
    DELAY,
    HOUR,
    every_clock_goes_with_ours,
    expired,
    main,
    pair,
    the_deletion,
    tick,
)
from tests.backups.taking import purge
from tests.commands import run_command

__all__ = ["every_clock_goes_with_ours", "expired", "main", "pair"]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("gap", "missed"),
    [
        (-5 * DAY, 0 * HOUR),
        (0 * HOUR, 0 * HOUR),
        (LONGEST_STEP, 0 * HOUR),
        (3 * HOUR, HOUR),
        (3 * DAY, 70 * HOUR),
    ],
)
def test_only_what_is_longer_than_a_late_tick_was_not_seen(
    gap: timedelta, missed: timedelta
) -> None:
    at = now()
    assert unseen(at, at + gap) == missed


@pytest.mark.parametrize("jump", [3 * DAY + HOUR, 6 * DAY])
def test_time_that_nobody_saw_pass_ends_no_delay(expired: BackupCopy, jump: timedelta) -> None:
    """A clock that jumps ahead, or a weekend without power: less than what holds the tick."""
    tick()
    before = the_deletion(expired)
    with time_machine.travel(now() + jump):
        expire_backups(now())
        after = the_deletion(expired)
        assert (after.status, Job.objects.filter(copy=expired).count()) == ("marked", 1)
        assert after.due_at - before.due_at == after.extended
        assert timedelta(0) <= after.extended - (jump - LONGEST_STEP) < HOUR
        # Counted once.
        expire_backups(now())
        assert the_deletion(expired).extended == after.extended
    tick(DELAY + after.extended + HOUR)
    assert the_deletion(expired).status == DeletionStatus.DELETED


def test_a_mark_past_due_says_which_backups_need_the_copy(
    pair: tuple[BackupCopy, BackupCopy],
) -> None:
    """As when a link was copied onto a base that a person had marked."""
    older, newer = pair
    assert purge(older, at_once=False).status == JobStatus.SUCCEEDED
    Backup.objects.filter(pk=newer.backup_id).update(kind="incremental", base=older.backup)
    newer.backup.ancestors.create(ancestor=older.backup, position=0)
    assert tick(DELAY - HOUR) == []
    assert the_deletion(older).problem == ""
    assert tick(DELAY + HOUR) == []
    mark = the_deletion(older)
    assert mark.status == DeletionStatus.MARKED
    assert mark.problem == (
        f"{older.backup.label} is needed to restore {newer.backup.label}: purge those first, "
        "or keep it"
    )
    assert mark.problem in run_command("listdeletions").stdout
