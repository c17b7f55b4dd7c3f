"""What jobs of these tests have around them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from tests.backups.hooks.made import Hooks


@pytest.fixture
def hooks(tmp_path: Path, settings: Settings) -> Hooks:
    folder = tmp_path / "hooks"
    folder.mkdir()
    return Hooks(folder, settings)
