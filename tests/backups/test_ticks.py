from __future__ import annotations

import pytest

from backups.models import TickBeat
from backups.ticks import ticking

pytestmark = pytest.mark.django_db


def test_a_tick_says_that_it_ran_through() -> None:
    with ticking("look"):
        assert TickBeat.objects.get().finished_at is None
    beat = TickBeat.objects.get()
    assert beat.started_at is not None
    assert beat.finished_at is not None
    assert beat.finished_at >= beat.started_at


def test_a_tick_says_what_it_failed_with_until_it_runs_through_again() -> None:
    with pytest.raises(ZeroDivisionError), ticking("look"):
        raise ZeroDivisionError("by nothing")
    beat = TickBeat.objects.get()
    assert (beat.error, beat.finished_at) == ("ZeroDivisionError: by nothing", None)
    with ticking("look"):
        pass
    assert TickBeat.objects.get().error == ""
