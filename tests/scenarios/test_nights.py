"""What goes wrong in a night: is the right thing notified, once, and its recovery?"""

from __future__ import annotations

import pytest

from alerts.models import Channel
from backups.models import Repository
from tests.scenarios.night import DUE, Night
from tests.scenarios.scenario import (
    H,
    M,
    Scenario,
    both,
    broker,
    by_hand,
    cancel,
    come_back,
    ended,
    fails,
    fill_up,
    go_on,
    hang,
    hang_until_stopped,
    leave,
    make_room,
    mount,
    pause,
    resume,
    sets,
    unmount,
    works,
)

DONE = ("succeeded", "")
# How the messages about shop-0 begin.
RUN, DUE_AT = "shop-0, nightly", "due at 2026-03-02 02:00 UTC"
FULL, FREE = sets("refusal", "room in main: 2 GiB needed"), sets("refusal", "")
OFF, ON = sets("scheduler", False), sets("scheduler", True)
NOBODY, SOMEBODY = sets("worker", False), sets("worker", True)
SCENARIOS = [
    Scenario("nothing happens", {}, [DONE], []),
    Scenario(
        "scheduler off for 3 h, caught up once",
        {0 * M: OFF, 3 * H: ON},
        [DONE],
        [
            f"Warning: {RUN}: {DUE_AT}, not started after 3 h…the scheduler was not running from…",
            f"Resolved: {RUN}: {DUE_AT}…",
        ],
        until=3 * H + 12 * M,
    ),
    Scenario(
        "scheduler off for 3 h, skipped",
        {0 * M: OFF, 3 * H: ON, 3 * H + 5 * M: by_hand},
        [("missed", "scheduler_down")],
        [
            f"Emergency: {RUN}: the run {DUE_AT} was missed: the scheduler was not running (…)",
            f"Resolved: {RUN}: the run {DUE_AT} was missed…",
        ],
        schedule={"catch_up": "skip"},
        until=3 * H + 12 * M,
    ),
    Scenario(
        "broker away at the due moment",
        {0 * M: broker(away=True), 2 * M: broker(away=False)},
        [DONE],
        [],
    ),
    Scenario(
        "broker away for too long",
        {0 * M: broker(away=True), 15 * M: both(broker(away=False), by_hand)},
        [("missed", "not_claimed")],
        [
            # It waited for the broker as well.
            f"Warning (resolved since): {RUN}: {DUE_AT}, not started after…",
            f"Emergency: {RUN}: the run {DUE_AT} was missed: no worker claimed the job in time…",
            f"Resolved: {RUN}: the run {DUE_AT} was missed…",
        ],
    ),
    Scenario(
        "worker lost, no retry",
        {0 * M: sets("dies", True), 5 * M: SOMEBODY, 12 * M: by_hand},
        [("failed", "failed")],
        [
            "Emergency: shop-0: full backup was lost: its worker stopped renewing the lease",
            "Resolved: shop-0: full backup was lost…",
        ],
    ),
    Scenario(
        "worker lost, with a retry",
        {0 * M: sets("dies", True), 3 * M: SOMEBODY},
        [DONE],
        [
            "Warning: shop-0: full backup was lost…; it will be retried",
            "Resolved: shop-0: full backup was lost…",
        ],
        schedule={"retries": 1},
    ),
    Scenario(
        "repository not mounted",
        {0 * M: unmount, 8 * M: mount, 17 * M: by_hand},
        [("failed", "failed")],
        [
            "Emergency: 2 alerts: several rules on repository main: main, shop-0",
            "Resolved: main: the repository is unusable…",
            "Resolved: shop-0: full backup failed in copy…it has no mooring.json",
        ],
    ),
    Scenario(
        "repository full",
        {0 * M: fill_up, 8 * M: make_room, 17 * M: by_hand},
        [("failed", "failed")],
        [
            "Emergency: 2 alerts: several rules on repository main: main, shop-0",
            "Resolved: main: 0.0 % free…",
            "Resolved: shop-0: full backup failed in copy…No space left on device",
        ],
    ),
    Scenario(
        "instance away at the due moment, then back",
        {0 * M: leave, 3 * M: come_back},
        [DONE],
        [
            "Warning: shop-0: full backup failed in connect…listens there; it will be retried",
            "Warning: shop-0: unreachable for 2 min…",
            "Resolved: shop-0: full backup failed in connect…",
            "Resolved: shop-0: unreachable for…",
        ],
        schedule={"retries": 1},
    ),
    Scenario(
        "instance away for the whole window",
        {0 * M: leave, 13 * M: come_back, 17 * M: by_hand},
        [("failed", "instance_unreachable")],
        [
            "Warning: shop-0: full backup failed in connect…listens there; it will be retried",
            "Warning: shop-0: unreachable for 2 min…",
            "Now emergency: shop-0: full backup failed in connect…(2 since the last success)",
            "Now critical: shop-0: unreachable for…",
            "Resolved: shop-0: full backup failed in connect…",
            "Resolved: shop-0: unreachable for…",
        ],
        schedule={"retries": 1},
    ),
    Scenario(
        "no worker on the queue",
        {-1 * M: NOBODY, 15 * M: SOMEBODY, 17 * M: by_hand},
        [("missed", "no_worker")],
        [
            "Warning: queue copy: 1 job has been waiting…no worker serves this queue",
            f"Warning: {RUN}: {DUE_AT}…: no worker takes jobs from the queue (…",
            "Now critical: queue copy: 1 job has been waiting…",
            f"Emergency: {RUN}: the run {DUE_AT} was missed: no worker takes jobs from the queue…",
            "Resolved: queue copy…",
            f"Resolved: {RUN}: the run {DUE_AT} was missed…",
        ],
    ),
    Scenario(
        "previous run still going",
        {0 * M: hang, 75 * M: go_on, 77 * M: by_hand},
        [DONE, ("missed", "previous_running")],
        [
            "Warning: shop-0, backup job…: running for 12 min…; its window closed at…",
            f"Warning: {RUN}: due at…03:00 UTC…: the previous run has not ended (backup job…",
            f"Emergency: {RUN}: the run due at…03:00 UTC was missed: the previous run has not…",
            "Resolved: shop-0, backup job…: running for…",
            f"Resolved: {RUN}: the run due at…03:00 UTC was missed…",
        ],
        schedule={"every_hours": 1, "anchor_at": DUE},
        until=80 * M,
    ),
    Scenario(
        # A notice, which this route does not take: somebody wanted it so.
        "paused over its window",
        {-1 * M: pause, 14 * M: resume},
        [("missed", "paused")],
        [],
        standing=["occurrence_missed"],
    ),
    Scenario("paused and resumed within its window", {-1 * M: pause, 8 * M: resume}, [DONE], []),
    Scenario(
        "late start",
        {-1 * M: NOBODY, 7 * M: SOMEBODY},
        [DONE],
        [
            "Warning: queue copy: 1 job has been waiting…",
            f"Warning: {RUN}: {DUE_AT}…: no worker takes jobs from the queue (…",
            f"Resolved: {RUN}: {DUE_AT}…",
            "Resolved: queue copy…",
        ],
    ),
    Scenario(
        "longer than its window, let finish",
        {0 * M: hang, 16 * M: go_on},
        [DONE],
        [
            "Warning: shop-0, backup job…: running for 12 min…; its window closed at…02:12 UTC",
            "Resolved: shop-0, backup job…: running for…",
        ],
    ),
    Scenario(
        "longer than its window, stopped",
        {0 * M: hang_until_stopped, 14 * M: ended, 18 * M: by_hand},
        [("failed", "window_end")],
        [
            "Warning: shop-0, backup job…: running for 12 min…; its window closed at…02:12 UTC",
            "Emergency: shop-0: full backup was stopped when its window closed",
            "Resolved: shop-0: full backup was stopped when its window closed",
        ],
        schedule={"at_window_end": "cancel"},
    ),
    Scenario(
        "longer than expected",
        {0 * M: hang, 9 * M: go_on},
        [DONE],
        [
            "Warning: shop-0, backup job…: running for…; expected duration 5 min 00 s",
            "Resolved: shop-0, backup job…: running for…",
        ],
        schedule={"expected_duration": 5 * M},
    ),
    Scenario(
        # Said at once and mildly: nobody is woken for what recovers by itself.
        "failed, then retried",
        {0 * M: fails, 2 * M: works},
        [DONE],
        [
            "Warning: shop-0: full backup failed in copy…; it will be retried",
            "Resolved: shop-0: full backup failed in copy…",
        ],
        schedule={"retries": 1},
    ),
    Scenario(
        "failed twice",
        {0 * M: fails, 10 * M: both(works, by_hand)},
        [("failed", "failed")],
        [
            "Warning: shop-0: full backup failed in copy…; it will be retried",
            "Now emergency: shop-0: full backup failed in copy…(2 since the last success)",
            "Resolved: shop-0: full backup failed in copy…",
        ],
        schedule={"retries": 1},
    ),
    Scenario(
        "refused by preflight",
        {0 * M: FULL, 17 * M: both(FREE, by_hand)},
        [("refused", "refused")],
        [
            "Emergency: shop-0: full backup was refused in preflight: room in main…",
            "Resolved: shop-0: full backup was refused in preflight: room in main…",
        ],
    ),
    Scenario(
        "refused, then retried",
        {0 * M: FULL, 2 * M: FREE},
        [DONE],
        [
            "Warning: shop-0: full backup was refused in preflight…; it will be retried",
            "Resolved: shop-0: full backup was refused in preflight…",
        ],
        schedule={"retries": 1},
    ),
    Scenario(
        # Whoever started it was shown why.
        "started by a person and refused",
        {5 * M: both(FULL, by_hand), 10 * M: FREE},
        [DONE],
        [],
    ),
    Scenario(
        # The refusal of the second does not stand for the failure of the first.
        "failed, then started by a person and refused",
        {0 * M: fails, 5 * M: both(works, FULL, by_hand)},
        [("failed", "failed")],
        ["Emergency: shop-0: full backup failed in copy…"],
        standing=["job_failed"],
    ),
    Scenario(
        "cancelled by a person", {0 * M: hang_until_stopped, 3 * M: cancel}, [("cancelled", "")], []
    ),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
def test_the_night(night: Night, main: Repository, hook: Channel, scenario: Scenario) -> None:
    scenario.play(night)
