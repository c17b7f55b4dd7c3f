from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pymysql
import pytest
from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from backups.pacing.controller import PaceController, PacePlan
from backups.pacing.guard import REACTION_SECONDS, UNSEEN_WORDS
from backups.pacing.hours import parse_hours
from backups.pacing.limiter import HELD
from backups.pacing.profile import NOT_PACED, PaceProfile, RedoRace
from backups.pacing.reasons import PaceReason
from backups.pacing.target import PaceTarget
from backups.pacing.view import PaceNow, PaceView

MIB = 1 << 20
RACES = PaceProfile(race=RedoRace.OVERWRITTEN)


def unreachable() -> Connection[DictCursor]:
    raise pymysql.err.OperationalError(2003, "connection refused")


class Lines:
    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, text: str, *, warning: bool = False) -> None:
        self.texts.append(text)


def controller(
    target: PaceTarget,
    *,
    profile: PaceProfile = NOT_PACED,
    connect: Callable[[], Connection[DictCursor]] = unreachable,
    lines: Lines | None = None,
) -> tuple[PaceController, PaceView]:
    view = PaceView()
    plan = PacePlan(target, profile)
    return PaceController(plan, connect, view, lines or Lines()), view


def wait_for(known: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not known():
        assert time.monotonic() < until, "it never came"
        threading.Event().wait(0.02)


def names() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


class TestLimits:
    def test_nothing_wanted_is_full_speed(self) -> None:
        pace, view = controller(PaceTarget())
        with pace:
            wait_for(lambda: view.now.reason is not None)
            assert (pace.limiter.bytes_per_s, view.now.reason) == (None, PaceReason.FULL)

    def test_a_configured_limit_holds_from_the_first_byte(self) -> None:
        pace, view = controller(PaceTarget(bytes_per_s=3 * MIB))
        assert pace.limiter.bytes_per_s == 3 * MIB
        with pace:
            wait_for(lambda: view.now.reason is PaceReason.CONFIGURED)
            assert view.now.bytes_per_s == 3 * MIB
        # What is still to be written comes from elsewhere.
        assert not pace.limiter.bytes_per_s

    def test_when_the_engine_has_ended_no_limit_is_shown(self) -> None:
        pace, view = controller(PaceTarget(bytes_per_s=3 * MIB))
        with pace:
            wait_for(lambda: view.now.bytes_per_s == 3 * MIB)
        assert view.now == PaceNow()

    def test_one_that_locks_for_all_of_the_copy_is_not_slowed(self) -> None:
        view = PaceView()
        plan = PacePlan(PaceTarget(factor=5, bytes_per_s=MIB), NOT_PACED, locked="lock of all")
        with PaceController(plan, unreachable, view, Lines()) as pace:
            assert pace.limiter.bytes_per_s is None
            wait_for(lambda: view.now.reason is PaceReason.LOCKED)
            assert view.now.detail == "lock of all"
            assert pace.limiter.bytes_per_s is None

    def test_one_by_hand_replaces_it_and_zero_lifts_it(self) -> None:
        pace, view = controller(PaceTarget(bytes_per_s=3 * MIB))
        with pace:
            view.by_hand = 5 * MIB
            wait_for(lambda: pace.limiter.bytes_per_s == 5 * MIB)
            assert view.now.reason is PaceReason.BY_HAND
            view.by_hand = 0
            wait_for(lambda: pace.limiter.bytes_per_s is None)
            view.by_hand = None
            wait_for(lambda: pace.limiter.bytes_per_s == 3 * MIB)

    def test_the_hour_of_the_day_counts(self) -> None:
        hours = parse_hours("00:00-12:00 7M, 12:00-24:00 7M")
        pace, view = controller(PaceTarget(hours=hours))
        with pace:
            wait_for(lambda: view.now.bytes_per_s == 7 * MIB)

    def test_what_the_engine_needs_is_the_least(self) -> None:
        profile = PaceProfile(least_bytes_per_s_per_thread=MIB)
        pace, view = controller(PaceTarget(bytes_per_s=1), profile=profile)
        with pace:
            wait_for(lambda: view.now.bytes_per_s == MIB)
            assert "at least, which the engine needs" in view.now.detail

    def test_a_lock_on_the_instance_lifts_it_before_the_next_tick(self) -> None:
        profile = PaceProfile(locked=frozenset({"backup lock"}))
        pace, view = controller(PaceTarget(bytes_per_s=3 * MIB), profile=profile)
        pace.stage_started("file copy")
        assert pace.limiter.bytes_per_s == 3 * MIB
        pace.stage_started("backup lock")
        assert pace.limiter.bytes_per_s is None
        with pace:
            locked = PaceNow(PaceReason.LOCKED, "backup lock of the engine")
            wait_for(lambda: view.now == locked)
            pace.stage_ended("backup lock")
            wait_for(lambda: pace.limiter.bytes_per_s == 3 * MIB)


class TestRedo:
    def test_a_copy_that_may_lose_its_redo_waits_a_second_for_a_look_at_it(self) -> None:
        over = threading.Event()

        def hang() -> Connection[DictCursor]:
            over.wait(30)
            return unreachable()

        pace, _ = controller(PaceTarget(factor=5), profile=RACES, connect=hang)
        with pace:
            began = time.monotonic()
            # Before any stage of the engine: it reads redo before it reports that it copies.
            wait_for(lambda: pace.limiter.bytes_per_s is None)
            assert time.monotonic() - began > REACTION_SECONDS * 0.9
            over.set()

    def test_where_its_redo_was_never_seen_no_limit_holds(self) -> None:
        lines = Lines()
        target = PaceTarget(factor=5, bytes_per_s=3 * MIB)
        pace, view = controller(target, profile=RACES, lines=lines)
        with pace:
            view.by_hand = 2 * MIB
            wait_for(lambda: view.now.reason is PaceReason.REDO)
            assert pace.limiter.bytes_per_s is None
            assert view.now.detail == "redo that was never seen"
        assert UNSEEN_WORDS in lines.texts

    def test_a_copy_without_a_limit_needs_no_look_at_it(self) -> None:
        pace, view = controller(PaceTarget(), profile=RACES)
        with pace:
            wait_for(lambda: view.now.reason is not None)
            assert view.now.reason is PaceReason.FULL


class TestFaults:
    def test_an_instance_that_cannot_be_watched_is_read_at_a_low_rate(self) -> None:
        lines = Lines()
        pace, view = controller(PaceTarget(factor=5), lines=lines)
        assert pace.limiter.bytes_per_s == HELD
        with pace:
            wait_for(lambda: view.now.reason is PaceReason.UNKNOWN)
            limit = pace.limiter.bytes_per_s
        assert limit
        assert any("connection refused" in text for text in lines.texts)
        assert pace.facts().unknown_s >= 0

    def test_one_that_hangs_holds_nothing_up(self) -> None:
        over = threading.Event()

        def hang() -> Connection[DictCursor]:
            over.wait(30)
            return unreachable()

        pace, view = controller(PaceTarget(factor=5, bytes_per_s=3 * MIB), connect=hang)
        with pace:
            view.by_hand = 9 * MIB
            wait_for(lambda: bool(pace.limiter.bytes_per_s))
            over.set()

    def test_a_fault_of_its_own_is_none_of_the_copy(self, caplog: pytest.LogCaptureFixture) -> None:
        lines = Lines()
        # A time zone that no configuration can name.
        hours = replace(parse_hours("08:00-18:00 20M"), zone="Europe/Nowhere")
        pace, _ = controller(PaceTarget(factor=5, bytes_per_s=MIB, hours=hours), lines=lines)
        with pace:
            wait_for(lambda: bool(lines.texts))
            assert pace.limiter.bytes_per_s == MIB
        assert "pacing failed, the copy continues without it" in lines.texts[0]
        assert "pacing of a copy failed" in caplog.text

    def test_its_threads_end_with_the_copy(self) -> None:
        pace, _ = controller(PaceTarget(factor=5))
        with pytest.raises(InterruptedError), pace:
            assert "pace" in names()
            raise InterruptedError
        assert not {"pace", "pace-probe"} & names()
