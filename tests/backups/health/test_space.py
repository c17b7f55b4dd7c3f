from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backups.health.space import (
    KEPT_FOR,
    SHORTEST_TREND,
    Sample,
    forecast_full,
    has_trend,
    measure_repositories,
)
from backups.models import Repository, RepositorySpace

T0 = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
D = timedelta(days=1)
GIB = 2**30


def samples(*free_gib: float, every: timedelta = D) -> list[Sample]:
    """Return samples, the last of which is of T0."""
    count = len(free_gib)
    return [
        Sample(T0 - (count - 1 - n) * every, round(gib * GIB)) for n, gib in enumerate(free_gib)
    ]


@pytest.mark.parametrize(
    ("measured", "full_in"),
    [
        ([], None),
        (samples(10), None),
        (samples(30, 20, 10), D),
        (samples(30, 20, 10, every=D - timedelta(seconds=1)), None),
        (samples(10, 10, 10), None),
        (samples(10, 20, 30), None),
        (samples(40, 10, 20, 10), timedelta(days=10 / 8)),
        # 1 MB a day of 10 TB: as a date it would lie beyond the last year there is.
        (samples(*(10_000 - n / 1000 for n in range(7))), None),
    ],
)
def test_it_continues_the_line(measured: list[Sample], full_in: timedelta | None) -> None:
    full_at = forecast_full(measured)
    if full_in is None:
        assert full_at is None
    else:
        assert full_at is not None
        assert abs(full_at - (T0 + full_in)) < timedelta(seconds=1)


@pytest.mark.parametrize(
    ("measured", "known"),
    [
        ([], False),
        (samples(10), False),
        (samples(10, 10, every=SHORTEST_TREND - timedelta(seconds=1)), False),
        (samples(10, 10, every=SHORTEST_TREND), True),
    ],
)
def test_a_trend_takes_time(measured: list[Sample], known: bool) -> None:
    assert has_trend(measured) == known


@pytest.mark.django_db
def test_each_repository_is_measured_and_old_samples_go(tmp_path: Path) -> None:
    (tmp_path / "main").mkdir()
    main = Repository.objects.create(name="main", path=str(tmp_path / "main"))
    Repository.objects.create(name="gone", path=str(tmp_path / "gone"))
    Repository.objects.create(name="off", path=str(tmp_path), enabled=False)
    for age in (KEPT_FOR, KEPT_FOR + timedelta(seconds=1)):
        RepositorySpace.objects.create(repository=main, measured_at=T0 - age, free_bytes=1)

    assert measure_repositories(T0) == 1

    measured = RepositorySpace.objects.get(repository__name="main", measured_at=T0)
    assert measured.free_bytes is not None
    assert measured.total_bytes is not None
    assert 0 < measured.free_bytes <= measured.total_bytes
    gone = RepositorySpace.objects.get(repository__name="gone")
    assert (gone.free_bytes, "could not be measured" in gone.error) == (None, True)
    assert RepositorySpace.objects.count() == 3
