"""Is what the rule decided kept as it was, second by second?"""

from __future__ import annotations

import io
import json

from backups.pacing.observation import Baseline, Measure, Observation
from backups.pacing.quantiles import Lengths
from backups.pacing.rule import first_state, wanted_of
from bench.curve_recorder import Recorder
from bench.curves import parse_reports, write_curve

MIB = 1 << 20
LINE = "[ 3s ] thds: 2 tps: 50.0 qps: 300.0 (r/w/o: 0/200/100) lat (ms,99%): 12.08 err/s: 0.00"
WANTED = wanted_of(5, 0, Baseline(1.0, p99_ms=8.0), Measure.P99, least=MIB, longest=8)


def test_each_decision_is_noted_and_steps_replace_it() -> None:
    lines = io.StringIO()
    seen = Observation(1.0, 1000.0, 2.0, Lengths({20.0: 1000.0}, 1000.0))
    recorder = Recorder(lines, [8, 0])
    state = recorder.decide(first_state(idle=False), WANTED, seen, 15 * MIB)
    assert state.rate == 8 * MIB
    state = recorder.decide(state, WANTED, None, 8 * MIB)
    assert state.rate is None
    first, second = map(json.loads, lines.getvalue().splitlines())
    assert (first["limit"], first["read"], first["p99_ms"], first["target_ms"]) == (16, 15, 20, 40)
    assert (second["limit"], second["p99_ms"]) == (8, None)


def test_a_file_has_what_the_writers_reported_in_the_same_second() -> None:
    assert parse_reports(LINE) == {3: 12.08}
    second = {"at": 103.5, "limit": None, "read": 1.26, "p99_ms": 9.0, "statements": 50.0}
    text = write_curve("mysql", "paced", 150, [{**second, "target_ms": 40}], {3: 12.08}, 100.0)
    kept = json.loads(text)
    assert (kept["target_ms"], kept["transactions_per_s"]) == (40, 150)
    assert kept["seconds"] == [[None, 1.3, 9.0, 50.0, 12.08]]
