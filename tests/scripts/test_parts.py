"""Is a long run never silent, does a failure end it, and is every part measured?"""

from __future__ import annotations

import sys
import time

import psutil
import pytest

from scripts.parts import Part, Watch, report, run_beside, run_shown

# Ends when its parent does, or when it is interrupted.
ENDLESS = (sys.executable, "-c", "import time\nwhile True: time.sleep(60)")


def script(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", text)


def test_what_a_part_writes_is_shown(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with Watch() as watch:
        part = Part("words", script("import os; print(os.environ['WORD'])"), {"WORD": "hello"})
        ended = run_shown(part, watch)
    assert ended.exit_code == 0
    out, err = capfdbinary.readouterr()
    assert (out, b"== words" in err) == (b"hello\n", True)


def test_a_silent_part_is_named(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    # It waits for the words that are written about it.
    with Watch(patience_seconds=0.05) as watch:
        run_shown(Part("types", script("import time; print('.', end=''); time.sleep(1)")), watch)
    out, err = capfdbinary.readouterr()
    assert b"still running: types, 0 s" in err
    assert out.startswith(b".\n")


def test_the_first_failure_ends_what_runs_beside(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    began = time.monotonic()
    failing = Part("lint", script("print('a fault'); raise SystemExit(3)"))
    with Watch() as watch:
        ended = run_beside([failing, Part("types", ENDLESS)], watch)
    assert [(part.part.name, part.exit_code) for part in ended] == [("lint", 3)]
    assert b"a fault" in capfdbinary.readouterr().out
    assert not [
        child for child in psutil.Process().children() if "time.sleep(60)" in child.cmdline()
    ]
    assert time.monotonic() - began < 60


def test_a_part_that_hangs_is_ended_and_can_say_where(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    hangs = script("import time\ntry:\n time.sleep(600)\nexcept KeyboardInterrupt:\n exit('here')")
    with Watch() as watch:
        ended = run_shown(Part("hangs", hangs), watch, limit_seconds=1)
    assert ended.exit_code == 1
    assert ended.seconds < 60
    out = capfdbinary.readouterr().out
    assert b"hangs: takes too long" in out
    assert b"here" in out


def test_every_part_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    busy = Part("busy", script("sum(range(5_000_000))"))
    failed = Part("failed", script("raise SystemExit(1)"))
    with Watch() as watch:
        ended = run_beside([busy, failed], watch)
    assert ended[0].cpu_seconds > 0
    assert ended[0].seconds >= 0
    report(ended)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["busy", "failed"]
    assert [line.endswith("FAILED") for line in lines] == [False, True]
