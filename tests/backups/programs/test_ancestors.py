"""Who else could change where a restore writes?"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backups.exceptions import Refused
from backups.programs.ancestors import check_ancestors


def test_a_folder_others_can_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(Refused, match="can be written by others") as caught:
        check_ancestors(tmp_path / "new" / "target")
    assert "only root can write" in caught.value.hint


def test_the_sticky_bit_keeps_others_off(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    check_ancestors(tmp_path / "target")


def test_a_folder_behind_a_link_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "link").symlink_to(tmp_path / "open")
    with pytest.raises(Refused, match="can be written by others"):
        check_ancestors(tmp_path / "link" / "target")


def test_links_between_links_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "onwards").symlink_to("../end")
    (tmp_path / "link").symlink_to("open/onwards")
    (tmp_path / "end").write_text("")
    check_ancestors(tmp_path / "link")
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(Refused, match="open can be written by others"):
        check_ancestors(tmp_path / "link")


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    check_ancestors(tmp_path / "one")


def test_a_folder_of_somebody_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Only root can give a folder away; anybody can be somebody else than its owner.
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    if os.getuid() == 0:
        os.chown(tmp_path, 65534, 65534)
    with pytest.raises(Refused, match="who can replace what is in it"):
        check_ancestors(tmp_path / "target")
