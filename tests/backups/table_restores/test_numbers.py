"""The numbers of tablespaces, as their files have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from backups.table_restores.numbers import numbers_of


def test_the_number_is_in_the_first_page(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    for name, number in {"t#p#a.ibd": 7, "t#p#b.ibd": 1 << 31}.items():
        (tmp_path / "shop" / name).write_bytes(bytes(34) + number.to_bytes(4, "big") + bytes(100))
    (tmp_path / "shop" / "t.cfg").write_bytes(b"x")
    paths = ["shop/t#p#a.ibd", "shop/t#p#b.ibd", "shop/t.cfg"]
    assert numbers_of(tmp_path, paths) == {7, 1 << 31}


def test_a_file_that_is_cut_short_has_none(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "t.ibd").write_bytes(bytes(37))
    with pytest.raises(OSError, match=r"shop/t\.ibd is no tablespace: it has 37 bytes"):
        numbers_of(tmp_path, ["shop/t.ibd"])
