"""An instance, a repository and an engine that need no server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.archive.keys import create_key_file
from backups.engines import ENGINES
from backups.models import Instance, Repository
from backups.repositories.base import Identity
from backups.repositories.directory import DirectoryStore
from backups.repositories.layout import FORMAT_VERSION
from backups.stages import backup
from backups.states import Operation
from tests.backups.fake_engine import FakeEngine
from tests.backups.stage_lists import set_stages


@pytest.fixture(autouse=True)
def fake_engine_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows may name the fake wherever nothing is copied."""
    monkeypatch.setitem(ENGINES, FakeEngine.name, FakeEngine())


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngine]:
    """Backups are taken by the fake, which has no instance to connect to first."""
    fake = FakeEngine()
    monkeypatch.setitem(ENGINES, fake.name, fake)
    without_instance = backup.STAGES[2:]
    assert without_instance[0].name == "choose base"
    set_stages(Operation.BACKUP, without_instance, monkeypatch)
    yield fake
    # A copy that the test left waiting ends with it.
    fake.stopped.set()


@pytest.fixture
def key_file(tmp_path: Path, settings: Settings) -> Path:
    settings.BACKUP_KEY_TEXT = ""
    settings.BACKUP_KEY_FILE = tmp_path / "keys" / "backup.key"
    settings.SCRATCH_FOLDER = tmp_path / "scratch"
    create_key_file(settings.BACKUP_KEY_FILE)
    return tmp_path / "keys" / "backup.key"


@pytest.fixture
def orders(db: None) -> Instance:
    instance = Instance(name="orders-1", engine="fake", flavour="mariadb", port=3307)
    instance.set_password("s3cret word")
    instance.save()
    return instance


@pytest.fixture
def main(db: None, key_file: Path, tmp_path: Path) -> Repository:
    return make_repository("main", tmp_path / "main")


def make_repository(
    name: str, path: Path, *, encrypted: bool = True, purge_delay: timedelta = timedelta(0)
) -> Repository:
    """Make a folder a repository, and its row; without a delay what expires is deleted at once."""
    repository = Repository.objects.create(
        name=name, path=str(path), encrypted=encrypted, purge_delay=purge_delay
    )
    DirectoryStore(path).initialise(Identity(str(repository.uuid), FORMAT_VERSION))
    return repository
