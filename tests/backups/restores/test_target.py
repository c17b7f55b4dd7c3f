"""A restore's mark: whose folder it is, and what stays in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from backups.restores.target import MARK, claim_folder, hand_over_folder, release_folder


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
