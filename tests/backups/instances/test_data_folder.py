"""Is a repository in the data folder of an instance refused, wherever it is named?"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backups.checks import Check, Verdict
from backups.exceptions import Refused
from backups.instances.data_folder import data_folders_here, refuse_instance_around
from backups.instances.facts import ServerFacts
from backups.models import Instance, Repository
from backups.models.instance import RunnerKind
from backups.preflight.checks import decide_checks, remember
from backups.preflight.survey import survey_repository
from backups.repositories.directory import DirectoryStore
from backups.repositories.disks import are_nested, device_of
from tests.backups.conftest import make_repository
from tests.backups.preflight.test_checks import FACTS, SOUND
from tests.commands import run_command

pytestmark = pytest.mark.django_db
T0 = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
HERE = os.uname().nodename


@pytest.fixture
def datadir(tmp_path: Path) -> Path:
    folder = tmp_path / "mysql"
    folder.mkdir()
    return folder


@pytest.fixture
def facts(datadir: Path) -> ServerFacts:
    return replace(FACTS, datadir=f"{datadir}/", identity="uuid-of-orders")


@pytest.fixture
def local(facts: ServerFacts) -> Instance:
    instance = Instance.objects.create(name="orders-1")
    remember(instance, facts, T0)
    return instance


@pytest.mark.parametrize(
    ("one", "other", "nested"),
    [
        ("/srv/mysql", "/srv/mysql", True),
        ("/srv/mysql/backups", "/srv/mysql", True),
        ("/srv", "/srv/mysql", True),
        ("/srv/mysql-backups", "/srv/mysql", False),
    ],
)
def test_which_paths_are_nested(one: str, other: str, nested: bool) -> None:
    assert (are_nested(one, other), are_nested(other, one)) == (nested, nested)


def test_the_folder_and_its_device_are_known_after_a_contact(
    local: Instance, datadir: Path
) -> None:
    local.refresh_from_db()
    assert (local.data_folder, local.data_device) == (str(datadir), os.stat(datadir).st_dev)


@pytest.mark.parametrize(
    ("values", "hostname", "here"),
    [
        ({"engine": "mariadb_backup"}, "elsewhere", True),
        ({"engine": "mariadb_backup", "runner": RunnerKind.SSH}, HERE, False),
        ({"engine": "clone", "host": "127.0.0.1"}, HERE, True),
        ({"engine": "clone", "host": "127.0.0.1"}, "a-container", False),
        ({"engine": "clone", "host": "10.0.0.7"}, HERE, False),
        ({"engine": "clone", "host": "10.0.0.7", "socket": "/run/mysqld.sock"}, HERE, True),
    ],
)
def test_only_folders_of_this_host_are_known(
    facts: ServerFacts, values: dict[str, str], hostname: str, here: bool
) -> None:
    found = data_folders_here(Instance(**values), replace(facts, hostname=hostname))
    assert bool(found) is here


def test_a_relative_folder_of_innodb_is_below_the_data_folder(
    local: Instance, facts: ServerFacts, datadir: Path
) -> None:
    found = data_folders_here(local, replace(facts, innodb_folders=("undo", "/srv/undo")))
    assert found == (str(datadir), str(datadir / "undo"), "/srv/undo")


@pytest.mark.parametrize("where", ["mysql", "mysql/backups", ".", "link"])
def test_preflight_refuses_it(
    local: Instance, facts: ServerFacts, tmp_path: Path, where: str
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "mysql")
    path = tmp_path / where
    repository = Repository.objects.create(name="main", path=str(path))
    store = DirectoryStore(path)
    (tmp_path / "mysql" / "backups").mkdir()
    (path / "mooring.json").write_text(f'{{"repository": "{repository.uuid}", "format": 1}}')
    assert disk_check(repository, store, facts, local).verdict is Verdict.FAILED


def test_preflight_warns_of_one_disk(local: Instance, facts: ServerFacts, tmp_path: Path) -> None:
    repository = make_repository("main", tmp_path / "main")
    check = disk_check(repository, DirectoryStore(tmp_path / "main"), facts, local)
    assert (check.verdict, check.found) == (
        Verdict.WARNING,
        "it shares a disk with what it protects",
    )


def disk_check(
    repository: Repository, store: DirectoryStore, facts: ServerFacts, instance: Instance
) -> Check:
    folders = data_folders_here(instance, facts)
    survey = replace(
        SOUND,
        facts=facts,
        repositories=(survey_repository(repository, store),),
        data_folders=folders,
        data_device=device_of(folders[0]),
    )
    (check,) = [decided for decided in decide_checks(survey) if decided.name == "disk of main"]
    return check


def test_another_disk_or_an_unknown_one_gives_no_warning() -> None:
    names = [check.name for check in decide_checks(SOUND)]
    assert "disk of main" not in names


def test_a_new_repository_there_is_refused_and_nothing_is_written(
    local: Instance, datadir: Path
) -> None:
    ended = run_command("addrepository", "inside", "--path", str(datadir / "backups"))
    assert ended.exit_code != 0
    assert "data folder of orders-1" in ended.stderr
    assert (list(datadir.iterdir()), Repository.objects.count()) == ([], 0)


def test_a_new_instance_around_a_repository_is_refused(facts: ServerFacts, datadir: Path) -> None:
    make_repository("main", datadir / "backups")
    with pytest.raises(Refused, match=r"repository main: .* inside one another"):
        refuse_instance_around(Instance(name="orders-2"), facts)
