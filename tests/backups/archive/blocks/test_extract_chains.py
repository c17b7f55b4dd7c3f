"""Does the program that shares no code with Mooring put chains together as Mooring does?"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backups.archive.blocks.hashing import BLOCK_BYTES, KEY_BYTES
from backups.archive.blocks.table import TABLE_FILE
from backups.archive.cipher import Unencrypted
from backups.archive.manifest import FORMAT_OF_LINKS, seal_manifest
from backups.archive.records import Data, FileClosed, FileOpened, PhaseStarted, Record
from backups.repositories.layout import manifest_name
from tests.backups.archive.blocks.chains import (
    Chain,
    State,
    changed,
    everything_differs,
    ibd,
    sent,
    states,
)
from tests.backups.archive.stores import (
    KEYRING,
    KIB,
    MIB,
    contents_of,
    load_extractor,
    open_backup,
    records_of,
    write_key_file,
)

BIG = os.urandom(5 * MIB + 17)
EXTRACTOR = load_extractor()


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain(tmp_path)


def run(chain: Chain, name: str = "out", *options: str) -> int:
    """Extract the last backup of a chain, and return the exit code."""
    key = write_key_file(chain.folder / "key", KEYRING.current)
    label = chain.links[-1].rpartition("/")[2]
    arguments = [str(chain.folder / "repository"), "--label", label, "--key-file", str(key)]
    out = str(chain.folder / name)
    code = EXTRACTOR.main([*arguments, "--allow-plain", "--to", out, *options])
    assert isinstance(code, int)
    return code


def extracted(chain: Chain, name: str = "out", *options: str) -> dict[str, bytes]:
    assert run(chain, name, *options) == 0
    return contents_of(chain.folder / name)


def on_disk(chain: Chain, link: str) -> Path:
    return chain.folder / "repository" / link


def test_a_full_backup_that_was_made_of_a_chain(chain: Chain) -> None:
    before = {"ibdata1": BIG, "zeros": bytes(MIB), "s/a.frm": b"frm"}
    chain.add(records_of(before))
    after = {**before, "ibdata1": changed(BIG, 3 * MIB, b"new")}
    chain.add(records_of(after))
    chain.consolidate()
    assert extracted(chain) == after
    chain.add(records_of(before))
    assert extracted(chain, "next") == before


@pytest.mark.parametrize("encrypted", [True, False], ids=["sealed", "plain"])
def test_an_increment(chain: Chain, encrypted: bool, capsys: pytest.CaptureFixture[str]) -> None:
    before = {"ibdata1": BIG, "shop/orders.ibd": bytes(MIB), "shop/a.frm": b"frm", "e": b""}
    between = {**before, "ibdata1": changed(BIG, 3 * MIB + 5, b"new"), "shop/b.frm": b"frm 2"}
    after = {**between, "ibdata1": changed(between["ibdata1"], MIB, b"newer")}
    for files in (before, between, after):
        chain.add(records_of(files), encrypted=encrypted)

    assert extracted(chain) == after
    assert "5 files are in" in (shown := capsys.readouterr().out)
    assert "hashes" not in shown
    assert extracted(chain, "part", "--only", "shop/b") == {"shop/b.frm": b"frm 2"}


def test_a_differential(chain: Chain) -> None:
    chain.add(records_of({"a": BIG}))
    passed_over = chain.add(records_of({"a": changed(BIG, 0, b"one")}))
    last = changed(BIG, MIB, b"two")
    chain.add(records_of({"a": last}), base=0)
    shutil.rmtree(on_disk(chain, passed_over))
    assert extracted(chain) == {"a": last}


def test_zeros_and_files_that_shrank_and_grew(chain: Chain) -> None:
    chain.add(records_of({"shrinks": BIG, "grows": BIG, "goes": BIG, "hole": BIG}))
    after = {"shrinks": BIG[: MIB + 3], "grows": BIG + b"more", "hole": bytes(MIB) + BIG[MIB:]}
    records: list[Record] = [
        *records_of({name: after[name] for name in ("shrinks", "grows")}),
        FileOpened(3, "hole"),
        Data(3, MIB, memoryview(BIG)[MIB:]),
        FileClosed(3, len(BIG)),
    ]
    chain.add(records)
    assert extracted(chain) == after


def test_tablespaces_that_were_swapped(chain: Chain) -> None:
    one, two = ibd(7, os.urandom(MIB)), ibd(8, os.urandom(MIB))
    chain.add(records_of({"s/a.ibd": one, "s/b.ibd": two}))
    chain.add(records_of({"s/b.ibd": one, "s/a.ibd": two}))
    assert chain.stored_bytes() < 10 * KIB
    assert extracted(chain) == {"s/b.ibd": one, "s/a.ibd": two}


def test_later_phases_of_every_backup(chain: Chain) -> None:
    def clone(page: bytes) -> Iterator[Record]:
        yield FileOpened(1, "a.ibd")
        yield Data(1, 0, memoryview(BIG))
        yield PhaseStarted()
        yield Data(1, BLOCK_BYTES, memoryview(page))
        # Less than a block: nobody knows the whole of it.
        yield Data(1, 4 * BLOCK_BYTES + 4 * KIB, memoryview(page)[: 4 * KIB])
        yield FileClosed(1, len(BIG))

    for number in range(3):
        page = os.urandom(BLOCK_BYTES)
        chain.add(clone(page))
        final = changed(BIG, BLOCK_BYTES, page)
        final = changed(final, 4 * BLOCK_BYTES + 4 * KIB, page[: 4 * KIB])
        assert extracted(chain, f"clone{number}") == {"a.ibd": final}
    chain.add(records_of({"a.ibd": final}))
    assert extracted(chain) == {"a.ibd": final}


def test_what_a_backup_needs_is_listed(chain: Chain, capsys: pytest.CaptureFixture[str]) -> None:
    for content in (BIG, changed(BIG, 0, b"1"), changed(BIG, 0, b"2")):
        chain.add(records_of({"a": content}))
    labels = [link.rpartition("/")[2] for link in chain.links]
    repository = str(chain.folder / "repository")
    key = write_key_file(chain.folder / "key", KEYRING.current)

    assert EXTRACTOR.main([repository, "--list", "--key-file", str(key)]) == 0
    full, _, last = capsys.readouterr().out.splitlines()
    assert last.endswith(f", needs {labels[0]}, {labels[1]}")
    assert ", needs" not in full
    assert EXTRACTOR.main([repository, "--list"]) == 0
    assert capsys.readouterr().out.splitlines()[2].endswith("  needs others")


def test_a_missing_ancestor_is_named(chain: Chain, capsys: pytest.CaptureFixture[str]) -> None:
    for content in (BIG, changed(BIG, 0, b"1"), changed(BIG, 0, b"2")):
        chain.add(records_of({"a": content}))
    shutil.rmtree(on_disk(chain, chain.links[1]))

    assert run(chain) == 2
    missing, last = (link.rpartition("/")[2] for link in chain.links[1:])
    assert f"{last} needs {missing}: not a backup in " in capsys.readouterr().err
    assert not (chain.folder / "out").exists()


def test_an_exchanged_ancestor_is_refused(
    chain: Chain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chain.add(records_of({"a": BIG}))
    chain.add(records_of({"a": changed(BIG, 0, b"new")}))
    other = Chain(tmp_path / "other")
    other.add(records_of({"a": BIG}))
    assert other.links[0] == chain.links[0]
    shutil.rmtree(on_disk(chain, chain.links[0]))
    shutil.copytree(on_disk(other, other.links[0]), on_disk(chain, chain.links[0]))

    assert run(chain) == 2
    assert "is not the orders-1@20260302T010100Z-F that" in capsys.readouterr().err
    assert not (chain.folder / "out").exists()


@pytest.mark.parametrize("encrypted", [True, False], ids=["sealed", "plain"])
def test_a_damaged_frame_of_an_ancestor(
    chain: Chain, encrypted: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    chain.add(records_of({"a": BIG}), encrypted=encrypted)
    chain.add(records_of({"a": changed(BIG, 0, b"new")}), encrypted=encrypted)
    pack = on_disk(chain, chain.links[0]) / "packs/000001.pack"
    content = bytearray(pack.read_bytes())
    content[MIB] ^= 1
    pack.write_bytes(content)

    assert run(chain) == 1
    assert "packs/000001.pack: frame 0 at byte 32" in (shown := capsys.readouterr().err)
    assert "is not whole, do not use it" in shown


@pytest.mark.parametrize("there", [True, False], ids=["blake3", "without"])
def test_a_block_is_held_against_its_hash(
    chain: Chain,
    there: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Hashes under another key: as wrong as those of blocks from a wrong place."""
    chain.add(records_of({"a": BIG}), encrypted=False)
    chain.add(records_of({"a": changed(BIG, 0, b"new")}), encrypted=False)
    forge_blocks(chain, {"key": "00" * KEY_BYTES})
    if not there:
        monkeypatch.setattr(EXTRACTOR, "blake3", None)

    assert run(chain) == (1 if there else 0)
    shown = capsys.readouterr()
    assert ("a: block 0 does not match its hash" in shown.err) == there
    assert ("Block hashes were not checked" in shown.out) != there


def forge_blocks(chain: Chain, forged: dict[str, Any]) -> None:
    """Change what the manifest of the last backup says of its blocks."""
    opened = open_backup(chain.store, chain.links[-1]).manifest

    class Forged:
        needs_others = True

        def as_json(self) -> Any:
            fields = opened.contents.as_json()
            return {**fields, "blocks": {**fields["blocks"], **forged}}

    assert opened.envelope.format == FORMAT_OF_LINKS
    blob = seal_manifest(opened.envelope, opened.about, Forged(), Unencrypted())  # type: ignore[arg-type]
    chain.store.replace(manifest_name(chain.links[-1]), blob)


HUGE = 1 << 62


@pytest.mark.parametrize(
    "forged",
    [
        {"pieces": [[1, HUGE, 1, 0]]},
        {"pieces": [[1, 1, 1, 0]]},
        {"pieces": [[1, 0, 1, 0], [1, 4096, 1, 0]]},
        {"pieces": [[1, 0, 4097, 0]]},
        {"pieces": [[1, 0, 4096, HUGE]]},
        {"pieces": [[1, 0, 4096, 0]]},
        {"changes": [[0, 1]]},
        {"frames": []},
        {"frames": [[0, 0, HUGE]]},
        {"frames": [[HUGE, 0, 10]]},
        {"sources": []},
        {"sources": [[1, [9]]]},
        {"sources": [[1, []]]},
        {"ancestors": [["x", "../../../x", "y"]]},
        {"ancestors": []},
        {"block_bytes": 4096},
        {"key": "00"},
    ],
    ids=str,
)
def test_a_forged_table_ends_with_a_message(
    chain: Chain, forged: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    chain.add(records_of({"a": BIG}), encrypted=False)
    chain.add(records_of({"a": changed(BIG, 0, b"new")}), encrypted=False)
    forge_blocks(chain, forged)
    assert run(chain) == 1
    assert "failed: " in capsys.readouterr().err


def test_the_table_is_no_file(chain: Chain) -> None:
    chain.add(records_of({"a": BIG}), encrypted=False)
    opened = open_backup(chain.store, chain.links[-1]).manifest
    [stored] = opened.contents.files

    class Forged:
        needs_others = False

        def as_json(self) -> Any:
            table = [*stored._replace(number=TABLE_FILE)]
            return {**opened.contents.as_json(), "files": [table]}

    blob = seal_manifest(opened.envelope, opened.about, Forged(), Unencrypted())  # type: ignore[arg-type]
    chain.store.replace(manifest_name(chain.links[-1]), blob)
    assert run(chain) == 1


@given(states(), st.data())
@settings(max_examples=25, deadline=None)
def test_any_chain_is_what_mooring_restores(history: Sequence[State], draw: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder, everything_differs():
        chain = Chain(Path(folder))
        for state in history:
            base = draw.draw(st.integers(0, len(chain.links) - 1)) if chain.links else None
            chain.add(list(sent(state, draw)), base=base)
        if history[-1]:
            assert extracted(chain, "theirs") == chain.restored("ours")
