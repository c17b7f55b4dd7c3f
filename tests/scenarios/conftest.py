"""A night, with a repository, a webhook that gets warnings and worse, and no instances."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from pytest_django import Settings

from alerts.models import Channel
from backups.executor.operations import PLANS
from backups.models import Repository
from backups.states import Operation
from tests.alerts.receiver import receiving
from tests.alerts.rows import make_route, make_webhook
from tests.backups.conftest import engine, key_file, make_repository
from tests.backups.fake_engine import FakeEngine
from tests.backups.stage_lists import set_stages
from tests.scenarios.night import DUE, Connect, Night, RunPreflight

__all__ = ["engine", "key_file"]


@pytest.fixture
def night(
    transactional_db: None,
    engine: FakeEngine,
    key_file: Path,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Night]:
    settings.OUTBOUND_NETWORKS = ["127.0.0.0/8"]
    begin = DUE - timedelta(minutes=5)
    with receiving() as receiver, time_machine.travel(begin, tick=False) as clock:
        night = Night(clock, engine, receiver)
        night.patch(monkeypatch)
        stages = PLANS[Operation.BACKUP].known_stages
        set_stages(Operation.BACKUP, [Connect(night), RunPreflight(night), *stages], monkeypatch)
        yield night
        engine.stopped.set()
        if engine.released is not None:
            engine.released.set()
        for running in night.jobs:
            running.end()


@pytest.fixture
def main(night: Night, tmp_path: Path) -> Repository:
    return make_repository("main", tmp_path / "main")


@pytest.fixture
def hook(night: Night) -> Channel:
    hook = make_webhook(night.receiver.url)
    make_route(hook)
    return hook
