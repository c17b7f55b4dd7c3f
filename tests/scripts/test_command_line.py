"""The collector is off while a command is loaded, and on while it works."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from scripts.command_line import CommandLine


@pytest.fixture
def loading() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


@pytest.mark.usefixtures("loading")
def test_a_command_that_is_loaded_works_with_the_collector_on() -> None:
    CommandLine(["manage.py"]).fetch_command("takebackup")
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0
