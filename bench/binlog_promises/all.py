"""Which promise is tried how? Import it once Django is set up."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench.binlog_promises import clocks, far, flips, received, replays, sources, whole
from bench.binlog_promises.round import Round

PROMISES: Mapping[str, Callable[[Round], None]] = {
    "rotations": received.rotations,
    "killed-receivers": received.killed_receivers,
    "full-disks": received.full_disks,
    "cut-streams": received.cut_links,
    "killed-sources": sources.killed_sources,
    "histories": sources.broken_histories,
    "failovers": sources.failovers,
    "moments": replays.moments,
    "skips": replays.skips,
    "cut-replays": replays.cut_links,
    "flips": flips.flips,
    "clocks": clocks.clocks,
    "far": far.positions,
    "whole": whole.whole_path,
}
