"""The folder in which tables are opened, and what a kill leaves of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from backups.opened_tables.work_folder import list_foreign, remove_abandoned, work_folder
from tests.commands import run_command


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, settings: Settings) -> Path:
    settings.SCRATCH_FOLDER = tmp_path / "scratch"
    return tmp_path / "scratch"


def test_it_is_ours_alone_and_goes_with_the_context(scratch: Path) -> None:
    with work_folder() as folder:
        (folder / "file").touch()
        assert folder.stat().st_mode & 0o777 == 0o700
        assert remove_abandoned() == 0
        assert folder.is_dir()
    assert list(scratch.iterdir()) == []


def test_what_a_killed_process_left_is_removed(scratch: Path) -> None:
    with work_folder() as folder:
        ours = folder.name.split("-")[-3]
    gone = scratch / folder.name.replace(f"-{ours}-", "-999999999-")
    (gone / "data").mkdir(parents=True)
    assert remove_abandoned() == 1
    assert list(scratch.iterdir()) == []


def test_a_process_with_the_number_of_another_is_not_it(scratch: Path) -> None:
    with work_folder() as folder:
        *head, _, last = folder.name.split("-")
    reused = scratch / "-".join([*head, "12345", last])
    reused.mkdir()
    assert remove_abandoned() == 1


def test_nothing_else_is_touched(scratch: Path) -> None:
    scratch.mkdir()
    with work_folder() as folder:
        name = folder.name
    others = ["restore-test-7", "opened-elsewhere-999999999-1-00000000", "opened-"]
    for other in others:
        (scratch / other).mkdir()
    (scratch / name).symlink_to(scratch / others[0])
    assert remove_abandoned() == 0
    assert {path.name for path in scratch.iterdir()} == {*others, name}


def test_there_may_be_no_scratch_folder_yet() -> None:
    assert remove_abandoned() == 0


def test_the_folder_of_a_host_whose_name_begins_like_ours_is_not_ours(scratch: Path) -> None:
    with work_folder() as folder:
        host, *_ = folder.name.removeprefix("opened-").rsplit("-", 3)
    other = scratch / f"opened-{host}-2-999999999-1-00000000"
    other.mkdir()
    assert remove_abandoned() == 0
    assert other.is_dir()


@pytest.mark.django_db(transaction=True)
def test_those_of_other_hosts_are_listed_and_left(scratch: Path) -> None:
    far = scratch / "opened-old.example-77-1767225600-0123abcd"
    far.mkdir(parents=True)
    with work_folder():
        assert [(each.host, each.folder) for each in list_foreign()] == [("old.example", far)]
    assert remove_abandoned() == 0
    shown = run_command("removerestore")
    assert "old.example" in shown.stdout
    (listed,) = run_command("removerestore", "--json").json()["opened_by_other_hosts"]
    assert (listed["host"], listed["folder"]) == ("old.example", str(far))
