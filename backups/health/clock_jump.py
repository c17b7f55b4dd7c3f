"""May a task that deletes what is old believe this host's clock?

A clock that jumps a year ahead makes everything old at once. So such a task runs only if its last
run is not implausibly long ago, and if the database's own clock says about the same. Else it is
held until a person has looked: the task fails with the reason, which is shown and alerted.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection

from backups.exceptions import Refused
from backups.health.heartbeats import note_run
from backups.models import TickHeartbeat

# These delete what is old; each runs every hour.
DELETING_TASKS = ("expire backups", "expire binlogs", "prune history", "prune alerts")
# A longer downtime is confirmed as well.
LONGEST_PAUSE = timedelta(days=7)
MAX_DIFFERENCE = timedelta(minutes=10)
# In the error of each that is held.
HELD = " is held: "
CONFIRM = "Check the date of this host, then run: ./mooring manage confirmexpiry."


def refuse_clock_jump(task: str, now: datetime) -> None:
    """Raise Refused if ``now`` is not to be believed by ``task``."""
    elsewhere = database_clock()
    if elsewhere is not None and abs(now - elsewhere) > MAX_DIFFERENCE:
        raise Refused(
            f"{task}{HELD}this host's clock says {now:%Y-%m-%d %H:%M} UTC, the database's "
            f"{elsewhere:%Y-%m-%d %H:%M}; set the wrong one",
            hint="It continues once both clocks agree.",
        )
    last = TickHeartbeat.objects.filter(name=task).values_list("finished_at", flat=True).first()
    if last is not None and now - last > LONGEST_PAUSE:
        raise Refused(
            f"{task}{HELD}it last completed {(now - last).days} days ago by this host's clock "
            f"({now:%Y-%m-%d %H:%M} UTC), which may have jumped. {CONFIRM}",
            hint=CONFIRM,
        )


def confirm_clock(now: datetime) -> None:
    """Take ``now`` as true: a person has looked."""
    for task in DELETING_TASKS:
        note_run(task, now)


def database_clock() -> datetime | None:
    """Return the time of the database's host; None if the database is a file on this one."""
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        found = cursor.fetchone()[0]
    assert isinstance(found, datetime)
    return found
