"""What if a frame says that it holds differences where there can be none?"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from backups.archive import writer
from backups.archive.blocks.differences import Differences
from backups.archive.blocks.hashing import BLOCK_BYTES
from backups.archive.blocks.table import TABLE_FILE
from backups.archive.frames import Compressed
from backups.archive.gathering import Gathered
from backups.exceptions import ArchiveError
from tests.backups.archive.blocks.chains import Chain
from tests.backups.archive.blocks.test_differences import BIG, touched, verified
from tests.backups.archive.blocks.test_extract_chains import run
from tests.backups.archive.stores import MIB, records_of

COMPRESS = Gathered.compress


def lie(frame: Gathered, level: int, differences: Differences | None) -> Compressed:
    """What is compressed is the content of files, and is called a difference."""
    return replace(COMPRESS(frame, level, None), is_difference=frame.extents[0].file != TABLE_FILE)


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain(tmp_path)


@pytest.mark.parametrize("said", [True, False], ids=["said", "unsaid"])
def test_a_full_backup_with_differences(
    chain: Chain, said: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Gathered, "compress", lie)
    if not said:
        monkeypatch.setattr(writer, "replace", lambda blocks, differences: blocks)
    chain.add(records_of({"a": os.urandom(MIB)}), encrypted=False)
    with pytest.raises(ArchiveError, match="needs no other" if said else "says there are none"):
        chain.restored("ours")
    assert run(chain, "theirs") == 1
    assert "it holds differences, and should not" in capsys.readouterr().err


@pytest.mark.parametrize("size", [BLOCK_BYTES - 1, 2 * BLOCK_BYTES + 5])
def test_differences_of_parts_of_blocks(
    chain: Chain, size: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    content = os.urandom(size)
    chain.add(records_of({"a": content}), encrypted=False)
    monkeypatch.setattr(Gathered, "compress", lie)
    chain.add(records_of({"a": content[:-5] + os.urandom(5)}), encrypted=False)
    with pytest.raises(ArchiveError, match="of no whole blocks"):
        chain.restored("ours")
    assert verified(chain)
    with pytest.raises(ArchiveError, match="of no whole blocks"):
        chain.consolidate()
    assert run(chain, "theirs") == 1
    assert "it holds differences, and should not" in capsys.readouterr().err


def test_a_block_table_is_no_difference(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    chain.add(records_of({"a": BIG}), encrypted=False)
    monkeypatch.setattr(
        Gathered, "compress", lambda *given: replace(COMPRESS(*given), is_difference=True)
    )
    chain.add(records_of({"a": touched(BIG, 1, b"x")}), encrypted=False)
    with pytest.raises(ArchiveError, match="of no whole blocks"):
        chain.restored()
