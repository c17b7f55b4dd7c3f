"""Every engine and runner is found under its own name."""

from __future__ import annotations

import pytest

from backups.engines import ENGINES
from backups.runners import RUNNERS


@pytest.mark.parametrize(("name", "engine"), ENGINES.items())
def test_an_engine_is_registered_under_its_name(name: str, engine: object) -> None:
    assert getattr(engine, "name", None) == name


@pytest.mark.parametrize(("kind", "runner"), RUNNERS.items())
def test_a_runner_is_registered_under_its_kind(kind: str, runner: object) -> None:
    assert getattr(runner, "kind", None) == kind
