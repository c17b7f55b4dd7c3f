"""What may a backup cost the writers beside it? Paced ones have targets, others are reported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.samples import Place, Ratio

NONE = "no backup"
FULL, PACED = "mooring, full speed", "mooring, paced"
PLAIN_FULL, PLAIN_PACED = "mooring without TLS, full speed", "mooring without TLS, paced"
ENGINE, ZSTD, DUMP = "engine alone", "engine and zstd", "dump and zstd"
LOCAL = "clone local"
MARIADB, MYSQL = "mariadb", "mysql"
BURSTS = ("mariadb-burst", "mysql-burst")
# Every candidate of a product, in the order of the tables.
CANDIDATES = {
    MARIADB: (NONE, FULL, PACED, ENGINE, ZSTD, DUMP),
    MYSQL: (NONE, FULL, PACED, PLAIN_FULL, PLAIN_PACED, LOCAL, DUMP),
}
# Each paced one and the same at full speed.
PAIRS = {PACED: FULL, PLAIN_PACED: PLAIN_FULL}
FACTOR = 5
MOST_SLOWER = 1.5
LEAST_TPS = 0.98


def _ratios(product: str) -> Iterator[Ratio]:
    def place(candidate: str, figure: str) -> Place:
        return Place(product, candidate, figure)

    for candidate in CANDIDATES[product][1:]:
        paced = candidate in PAIRS
        yield Ratio(
            f"{product}: p99, {candidate} ÷ {NONE}",
            place(candidate, "p99_ms"),
            place(NONE, "p99_ms"),
            at_most=FACTOR if paced else None,
        )
    for candidate in CANDIDATES[product][1:]:
        # The other way round, because a target is the most that a ratio may be.
        yield Ratio(
            f"{product}: tps, {NONE} ÷ {candidate}",
            place(NONE, "tps"),
            place(candidate, "tps"),
            at_most=1 / LEAST_TPS if candidate in PAIRS else None,
        )
    for paced_one, full in PAIRS.items():
        yield Ratio(
            f"{product}: wall, {paced_one} ÷ {full}",
            place(paced_one, "wall_s"),
            place(full, "wall_s"),
            at_most=MOST_SLOWER,
        )


RATIOS: Sequence[Ratio] = (*_ratios(MARIADB), *_ratios(MYSQL))
