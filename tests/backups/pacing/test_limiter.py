from __future__ import annotations

import threading
import time

import pytest

from backups.pacing.limiter import HELD, LONGEST_NAP_SECONDS, Limiter

MIB = 1 << 20


def nothing() -> None: ...


def test_without_a_limit_nothing_waits() -> None:
    limiter = Limiter()
    began = time.monotonic()
    for _ in range(1000):
        limiter.spend(MIB, nothing)
    assert time.monotonic() - began < 1
    assert limiter.read_bytes == 1000 * MIB


def test_a_limit_holds() -> None:
    limiter = Limiter(50 * MIB)
    began = time.monotonic()
    for _ in range(11):
        limiter.spend(MIB, nothing)
    # The first is read at once; the credit is 0.05 s.
    assert time.monotonic() - began >= 10 / 50 - 0.06


def test_idle_time_is_not_saved_for_a_burst() -> None:
    at = [0.0]
    limiter = Limiter(MIB, clock=lambda: at[0])
    limiter.spend(MIB, nothing)
    at[0] = 1000.0
    limiter.spend(MIB, nothing)

    def count() -> None:
        at[0] += 0.25
        looks.append(at[0])

    looks: list[float] = []
    limiter.set(MIB)
    limiter.spend(MIB, count)
    assert at[0] - 1000 >= 0.9


def test_a_raised_limit_ends_the_pause_of_a_lower_one() -> None:
    limiter = Limiter(1024)
    limiter.spend(4 * MIB, nothing)
    done = threading.Event()

    def read() -> None:
        limiter.spend(MIB, nothing)
        done.set()

    thread = threading.Thread(target=read)
    thread.start()
    # More than an hour at the old limit.
    assert not done.wait(0.05)
    limiter.set(None)
    assert done.wait(5)
    thread.join()


def test_a_copy_that_is_held_sees_that_it_must_stop() -> None:
    limiter = Limiter(HELD)
    limiter.spend(MIB, nothing)
    looks = 0

    def stop() -> None:
        nonlocal looks
        looks += 1
        if looks == 2:
            raise InterruptedError

    began = time.monotonic()
    with pytest.raises(InterruptedError):
        limiter.spend(MIB, stop)
    assert time.monotonic() - began < 2 * LONGEST_NAP_SECONDS + 1


def test_a_pause_is_a_sign_of_life() -> None:
    signs: list[int] = []
    limiter = Limiter(10 * MIB, on_pause=lambda: signs.append(1))
    limiter.spend(2 * MIB, nothing)
    limiter.spend(MIB, nothing)
    assert signs
