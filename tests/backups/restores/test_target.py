"""A restore's mark: whose folder it is, and what stays in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from backups.exceptions import Refused
from backups.restores.target import (
    MARK,
    claim_folder,
    hand_over_folder,
    refuse_target,
    release_folder,
)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "new" / "target"


def test_a_claimed_folder_is_made_and_private(target: Path) -> None:
    claim_folder(target, 7)
    assert target.stat().st_mode & 0o777 == 0o700
    assert (target / MARK).read_text() == "7"


def test_only_one_restore_claims_a_folder(target: Path) -> None:
    claim_folder(target, 7)
    with pytest.raises(FileExistsError):
        claim_folder(target, 8)


def test_release_removes_all_of_it(target: Path) -> None:
    claim_folder(target, 7)
    (target / "shop").mkdir()
    (target / "shop" / "orders.ibd").write_bytes(b"half")
    (target / "link").symlink_to("/")
    assert release_folder(target, 7)
    assert not target.exists()
    assert Path("/etc").is_dir()


@pytest.mark.parametrize("mark", ["8", "", "\xff"])
def test_a_folder_with_another_mark_stays(target: Path, mark: str) -> None:
    target.mkdir(parents=True)
    (target / MARK).write_text(mark, encoding="latin-1")
    (target / "theirs").touch()
    assert not release_folder(target, 7)
    assert (target / "theirs").exists()


def test_a_folder_without_a_mark_stays(target: Path) -> None:
    target.mkdir(parents=True)
    (target / "theirs").touch()
    assert not release_folder(target, 7)
    assert (target / "theirs").exists()


def test_what_is_not_there_or_no_folder_is_nothing_to_do(target: Path) -> None:
    assert not release_folder(target, 7)
    target.parent.mkdir(parents=True)
    target.touch()
    assert not release_folder(target, 7)
    assert target.exists()


def test_a_folder_handed_over_is_nobody_s_to_remove(target: Path) -> None:
    claim_folder(target, 7)
    (target / "ibdata1").touch()
    hand_over_folder(target)
    assert not release_folder(target, 7)
    assert [path.name for path in target.iterdir()] == ["ibdata1"]


def test_a_removal_that_was_cut_short_can_be_finished(target: Path) -> None:
    claim_folder(target, 7)
    assert [path.name for path in target.iterdir()] == [MARK]
    assert release_folder(target, 7)
    assert not release_folder(target, 7)


def test_a_link_is_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o755)
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    with pytest.raises(Refused, match="not a folder that a restore may use"):
        claim_folder(tmp_path / "link", 7)
    assert (tmp_path / "theirs").stat().st_mode & 0o777 == 0o755


def test_what_was_planted_before_it_is_ours_is_found(target: Path, tmp_path: Path) -> None:
    target.mkdir(parents=True)
    (target / "mooring-my.cnf").symlink_to(tmp_path / "victim")
    with pytest.raises(Refused, match=r"not empty: mooring-my\.cnf appeared"):
        claim_folder(target, 7)
    assert [path.name for path in target.iterdir()] == ["mooring-my.cnf"]


def test_a_mark_that_is_a_link_is_nobody_s(target: Path, tmp_path: Path) -> None:
    target.mkdir(parents=True)
    (tmp_path / "seven").write_text("7")
    (target / MARK).symlink_to(tmp_path / "seven")
    assert not release_folder(target, 7)


@pytest.mark.django_db
@pytest.mark.parametrize("place", ["hooks.toml", "hooks.toml/data", "."])
def test_where_a_host_names_what_it_runs_is_no_target(
    tmp_path: Path, settings: Settings, place: str
) -> None:
    settings.HOOKS_FILE = tmp_path / "host" / "hooks.toml"
    with pytest.raises(Refused, match="says what runs on this host"):
        refuse_target(tmp_path / "host" / place)
    refuse_target(tmp_path / "host" / "data")
