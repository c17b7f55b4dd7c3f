"""Who holds a copy to its pace? A thread that ends with the copy, and can never fail it.

A few times a second it combines what the rule, the guard and people say into the limit in force.
Whatever goes wrong in it, the copy continues at the configured limit, and the log says so.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Protocol, Self

from backups.pacing.facts import PaceFacts
from backups.pacing.guard import (
    REACTION_SECONDS,
    SILENCE_SECONDS,
    UNSEEN_WORDS,
    GuardNews,
    GuardState,
    in_words,
    judge_redo,
)
from backups.pacing.limiter import HELD, Limiter
from backups.pacing.observation import Measure, Observation
from backups.pacing.probe import INTERVAL_SECONDS, STARTING_SECONDS, Connect, Probe, ProbeResult
from backups.pacing.profile import PaceProfile, RedoRace
from backups.pacing.race import Race
from backups.pacing.reasons import PaceReason
from backups.pacing.rule import PaceWanted, RuleState, decide, first_state, wanted_of
from backups.pacing.tally import Tally
from backups.pacing.target import PaceTarget
from backups.pacing.view import PaceNow, PaceView
from backups.pacing.words import PaceLog, baseline_words, summary_words

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.1
# The copy waits no longer than this for the time before it to be seen.
MOST_WAIT_SECONDS = 5.0
# An interval counts as without an observation when none came for this long.
OVERDUE_SECONDS = INTERVAL_SECONDS * 2


class Log(Protocol):
    """Writes a line into the job's log; never blocks."""

    def __call__(self, text: str, *, warning: bool = False) -> None: ...


@dataclass(frozen=True, slots=True)
class PacePlan:
    """What a copy is to keep to, and what its engine tolerates."""

    target: PaceTarget
    profile: PaceProfile
    threads: int = 1
    # How many times as long as at full speed the copy may take.
    longest: float = 8.0
    # The rate of the fastest earlier copy, in bytes per second; zero is unknown.
    known_rate: float = 0.0

    # That of the last copy that was watched; None: none was.
    borne_rate: float | None = None
    # What the engine locks for all of the copy; blank: nothing.
    locked: str = ""

    @property
    def watches(self) -> bool:
        """Whether the instance is watched for the effect of the copy."""
        return bool(self.target.factor or self.target.lag_seconds)

    @property
    def least(self) -> int:
        return self.profile.least_bytes_per_s(self.threads)


class PaceController:
    """The pace of one copy. Use as a context around it."""

    def __init__(
        self,
        plan: PacePlan,
        connect: Connect,
        view: PaceView,
        log: Log,
        on_pause: Callable[[], None] = lambda: None,
    ) -> None:
        """``on_pause`` is called again and again while the copy waits, which is no stall."""
        self._plan, self._view = plan, view
        self._log = PaceLog(log)
        overwrites = plan.profile.race is RedoRace.OVERWRITTEN
        self._probe = Probe(connect, watches_redo=overwrites)
        # Since when; None: it is not needed.
        self._probing_since: float | None = None
        self._race = Race(plan.profile)
        # The copy reads nothing until the time before it was seen.
        first = HELD if plan.watches else plan.target.limit_at(_now())
        if plan.locked:
            first = None
        self.limiter = Limiter(first, on_pause=on_pause)
        self._tally = Tally()
        self._wanted: PaceWanted | None = None
        self._state = RuleState(None)
        self._guard = GuardState()
        # What is locked at the moment.
        self._locked = {plan.locked} if plan.locked else set[str]()
        self._handled, self._handled_at, self._handled_bytes = 0, 0.0, 0
        self._latest: Observation | None = None
        self._began = self._ticked_at = time.monotonic()
        self._failed = False
        self._end = threading.Event()
        # Held while the limit is decided on: an engine's thread may lift it as well.
        self._lock = threading.RLock()
        self._thread = threading.Thread(target=self._run, name="pace", daemon=True)

    def __enter__(self) -> Self:
        if not self._plan.profile.race_from:
            # The engine reads redo long before it reports that it copies.
            self._race.begin(None)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.set()
        self._thread.join()
        # What is written after it was not read from the instance's files.
        self.limiter.set(None)
        self._view.show(PaceNow())
        self._probe.close()

    # Called by the copy, from any thread

    def stage_started(self, name: str) -> None:
        """Follow the engine: while something is locked nothing may slow it."""
        if name == self._plan.profile.race_from:
            self._race.begin(self._probe.redo)
        if name == self._plan.profile.race_read:
            self._race.read_first()
        if name in self._plan.profile.locked:
            with self._lock:
                self._locked.add(_of_engine(name))
                self.limiter.set(None)

    def stage_ended(self, name: str) -> None:
        if name == self._plan.profile.race_until:
            self._race.end()
        with self._lock:
            self._locked.discard(_of_engine(name))

    def engine_line(self, text: str) -> None:
        """Take a line of the engine's log."""
        self._race.read_line(text)

    def redo_received(self, count: int) -> None:
        """Count bytes of the redo log that have arrived."""
        self._race.receive(count)

    def facts(self) -> PaceFacts:
        """Return what the copy cost, once it has ended."""
        server, wanted = self._probe.server, self._wanted
        measure = Measure.P99 if server is None else server.times.measure
        source = "" if server is None else server.times.words
        target = None if wanted is None else wanted.target_ms
        facts = self._tally.facts(self._probe.baseline, measure, source, target)
        if source or facts.limited_s:
            self._log.always(summary_words(facts))
        return facts

    # The thread

    def _run(self) -> None:
        while True:
            try:
                self._tick()
            except Exception as exc:
                # A fault here must never be one of the backup.
                self._give_up(exc)
            if self._failed or self._end.wait(TICK_SECONDS):
                return

    def _give_up(self, exc: Exception) -> None:
        self._failed = True
        limit: float | None = self._plan.target.bytes_per_s or None
        if self._locked or self._plan.profile.race is RedoRace.OVERWRITTEN:
            # From here on nobody looks after the lock and the redo log.
            limit = None
        elif limit is not None:
            limit = max(limit, self._plan.least)
        self.limiter.set(limit)
        self._view.show(
            PaceNow(PaceReason.CONFIGURED, "pacing failed", None if limit is None else int(limit))
        )
        self._log.always(f"pacing failed, the copy continues without it: {exc!r}", warning=True)
        logger.error("pacing of a copy failed", exc_info=exc, extra={"action": "pacing_failed"})

    def _tick(self) -> None:
        at = time.monotonic()
        with self._lock:
            now = self._view.now
            if now.reason is not None:
                self._tally.limit(at - self._ticked_at, self.limiter.bytes_per_s, now.reason)
            self._ticked_at = at
            self._start_probe(at)
            if self._probing_since is not None:
                self._watch_redo(at, self._probing_since)
            if self._wanted is None and self._waits(at):
                self._hold(at)
                return
            if self._probing_since is not None:
                self._follow_probe(at)
            self._apply()

    def _start_probe(self, at: float) -> None:
        if self._probing_since is not None:
            return
        races = self._plan.profile.race is not RedoRace.NONE
        limited = self._view.by_hand or self._plan.target.limit_at(_now()) is not None
        if self._plan.watches or (races and limited):
            self._probing_since = at
            self._probe.start()

    def _waits(self, at: float) -> bool:
        """Whether the copy has to wait for what the probe sees before it; else begin the rule."""
        if not self._plan.watches:
            return False
        if not self._probe.knows_baseline and at - self._began < MOST_WAIT_SECONDS:
            return True
        plan, before, server = self._plan, self._probe.baseline, self._probe.server
        measure = Measure.P99 if server is None else server.times.measure
        self._wanted = wanted_of(
            plan.target.factor, plan.target.lag_seconds, before, measure,
            least=float(plan.least), longest=plan.longest,
        )  # fmt: skip
        self._state = first_state(
            idle=before.idle, known_rate=plan.known_rate, borne_rate=plan.borne_rate
        )
        self._handled_at, self._handled_bytes = at, self.limiter.read_bytes
        self._log.always(baseline_words(before, server, self._wanted))
        return False

    def _hold(self, at: float) -> None:
        """Let the copy wait, unless it would lose its redo meanwhile."""
        if self._guard.lifted:
            self._apply()
        elif not self._locked:
            # The probe has connected by then, or cannot.
            unseen = self._race.is_unseen and at - self._began > REACTION_SECONDS
            self.limiter.set(None if unseen else HELD)

    def _follow_probe(self, at: float) -> None:
        """Have the rule decide, once for each interval."""
        latest = self._probe.latest
        if latest.number == self._handled and at - self._handled_at < OVERDUE_SECONDS:
            return
        # One that is overdue is handled again when it comes.
        seen = ProbeResult() if latest.number == self._handled else latest
        elapsed, read = at - self._handled_at, self.limiter.read_bytes - self._handled_bytes
        self._handled, self._handled_at = latest.number, at
        self._handled_bytes = self.limiter.read_bytes
        self._latest = seen.observation
        if seen.observation is not None:
            self._tally.see(seen.observation)
        if self._wanted is not None and elapsed > 0:
            self._state = decide(self._state, self._wanted, seen.observation, read / elapsed)
            starting = self._state.reason is PaceReason.STARTING
            self._probe.interval_seconds = STARTING_SECONDS if starting else INTERVAL_SECONDS
        if seen.error:
            self._log.note("probe", f"the instance cannot be watched: {seen.error}", warning=True)

    def _watch_redo(self, at: float, since: float) -> None:
        if (lead := self._race.lead(self._probe.redo, at)) is None:
            unseen = self._race.is_unseen and at - since > SILENCE_SECONDS
            self._guard = replace(self._guard, lifted=unseen)
            if unseen:
                self._log.note("unseen", UNSEEN_WORDS, warning=True)
            return
        overwrites = self._plan.profile.race is RedoRace.OVERWRITTEN
        was = self._guard.lifted
        self._guard, news = judge_redo(self._guard, lead, overwrites=overwrites)
        self._tally.redo(lead.share, lifted=self._guard.lifted and not was)
        for each in news:
            bad = each in {GuardNews.NEAR, GuardNews.LOST}
            # Without a limit nothing is lifted.
            if bad or each is GuardNews.SMALL or self.limiter.bytes_per_s is not None or was:
                self._log.note(each.value, in_words(each, lead, overwrites=overwrites), warning=bad)

    def _apply(self) -> None:
        """Put the limit in force that all of them say."""
        with self._lock:
            rate, reason, detail = self._decide()
            if rate != self.limiter.bytes_per_s:
                self.limiter.set(rate)
            seen, wanted = self._latest, self._wanted
            p99 = None if seen is None else seen.p99_ms
            target = None if wanted is None else wanted.target_ms
            limit = None if rate is None else int(rate)
            self._view.show(PaceNow(reason, detail, limit, p99, target))
            self._log.change(reason, limit, detail)

    def _decide(self) -> tuple[float | None, PaceReason, str]:
        if self._locked:
            return None, PaceReason.LOCKED, ", ".join(sorted(self._locked))
        unseen = self._race.is_unseen
        if self._guard.lifted:
            detail = "redo that was never seen" if unseen else "redo that is not copied yet"
            return None, PaceReason.REDO, detail
        hand = self._view.by_hand
        if hand == 0:
            return None, PaceReason.BY_HAND, "full speed, as requested"
        limit = hand or self._plan.target.limit_at(_now())
        # The rule slows nothing that may lose redo which nobody sees.
        rate = None if unseen else self._state.rate
        if limit is not None and (rate is None or limit < rate):
            reason = PaceReason.BY_HAND if hand else PaceReason.CONFIGURED
            least = self._plan.least
            raised = " at least, which the engine needs" if limit < least else ""
            return float(max(limit, least)), reason, f"limit in force{raised}"
        if unseen and self._state.rate is not None:
            return None, PaceReason.REDO, "redo that was never seen"
        return rate, self._state.reason, self._state.detail


def _of_engine(stage: str) -> str:
    return f"{stage} of the engine"


def _now() -> datetime:
    return datetime.now(UTC)
