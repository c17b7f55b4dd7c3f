"""Does the file of media say what a host may run, and is anything odd in it refused in words?"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.exceptions import BadInput, RepositoryError
from backups.repositories.layout import is_safe_path
from backups.repositories.sequential.media_file import load_medium, split_media_address
from backups.repositories.sequential.names import LONGEST_PIECE, parse_piece, piece_name
from backups.repositories.sequential.pipe import PipeMedium
from backups.repositories.sequential.sbt.medium import SbtMedium

GOOD = """
[lto]
store = [["age", "-r", "age1key"], ["to-tape", "{piece}"]]
fetch = [["from-tape", "{piece}"], ["age", "-d", "-i", "/etc/mooring/age.key"]]
exists = ["on-tape", "{piece}"]
block_bytes = 1048576
stall_seconds = 1800
folder = "/var/spool"
environment = { CLIENT = "db-backup" }
"""


def written(folder: Path, text: str, mode: int = 0o644) -> Path:
    file = folder / "media.toml"
    file.write_text(text)
    file.chmod(mode)
    return file


def test_an_entry_becomes_a_medium(tmp_path: Path) -> None:
    medium = load_medium(written(tmp_path, GOOD), "lto")
    assert isinstance(medium, PipeMedium)
    assert medium.block_bytes == 1048576
    assert not medium.can_remove


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("store =", "stored ="), "unknown: stored"),
        (('["to-tape", "{piece}"]', '["to-tape"]'), "store must have {piece} as one of its"),
        (('"{piece}"]]', '"of={piece}"]]'), "must be an argument of its own, not in 'of={piece}'"),
        (('["on-tape", "{piece}"]', '"on-tape {piece}"'), "exists must be a list of a program"),
        (('["on-tape", "{piece}"]', "[]"), "exists must be a list of a program"),
        (('["on-tape", "{piece}"]', '["{piece}"]'), "exists must begin with a program"),
        (('exists = ["on-tape", "{piece}"]', ""), "needs exists or list"),
        (('exists = ["on-tape", "{piece}"]', 'list = ["ls", "{piece}"]'), "list must not have"),
        (("stall_", "not_there = 0\nstall_"), "not_there must be an exit code from 1 to 125"),
        (("1048576", "1000"), "block_bytes must be a multiple of 4096 from 4096 to 8388608"),
        (("1048576", "true"), "block_bytes must be a multiple"),
        (("1800", "0"), "stall_seconds must be a whole number"),
        (('"/var/spool"', '"spool"'), "folder must be an absolute path"),
        (('"db-backup"', "7"), "environment must be a table of names and texts"),
        (("[lto]", "[lto"), "cannot be read: "),
        (("[lto]", "[disk]"), "has no medium lto: it has disk"),
    ],
)
def test_what_is_odd_is_named(tmp_path: Path, change: tuple[str, str], problem: str) -> None:
    assert change[0] in GOOD
    file = written(tmp_path, GOOD.replace(*change))
    with pytest.raises(RepositoryError) as raised:
        load_medium(file, "lto")
    assert problem in str(raised.value)
    assert str(raised.value).startswith(str(file))


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
def test_a_file_that_others_can_change_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(RepositoryError, match="could be changed by others"):
        load_medium(written(tmp_path, GOOD, mode), "lto")


def test_a_missing_file_is_named_with_its_setting(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match=r"media\.toml does not exist") as raised:
        load_medium(tmp_path / "media.toml", "lto")
    assert "MOORING_MEDIA_FILE" in raised.value.hint


@pytest.mark.parametrize(
    "path",
    ["media:lto", "media:lto/", "media:/site1", "media:../x", "media:lto/-x", "media:lto/a/b",
     "media:lto/a b", "media:lto/" + 41 * "a", "tape:lto/site1"],
)  # fmt: skip
def test_an_odd_address_is_refused(path: str) -> None:
    with pytest.raises(BadInput, match="does not name a medium and a prefix"):
        split_media_address(path)


def test_an_address_has_two_parts() -> None:
    assert split_media_address("media:lto/site1") == ("lto", "site1")


objects = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40
).filter(is_safe_path)


@given(name=objects, generation=st.integers(1, 999_999_999))
def test_a_piece_has_the_name_of_one_object_and_is_one_plain_word(
    name: str, generation: int
) -> None:
    try:
        piece = piece_name("site1", name, generation)
    except RepositoryError:
        assert len(name.encode()) * 3 > LONGEST_PIECE - 30
        return
    assert parse_piece("site1", piece) == (name, generation)
    assert all(letter.isascii() and (letter.isalnum() or letter in "._+-") for letter in piece)


@pytest.mark.parametrize(
    "piece",
    ["site1.a", "site1.a.0", "site2.a.1", "site1.+2e+2e.1", "site1.+41.1", "site1.a+2f.1", "-x.a.1",
     "site1.+ff.1", "site1.a\n.1", "site1.a.1 ", "", "site1..1", "site1.a.01"],
)  # fmt: skip
def test_what_is_no_piece_of_ours_is_none(piece: str) -> None:
    assert parse_piece("site1", piece) is None


SBT = """
[obk]
sbt_lib = "/opt/manager/libobk.so"
database_name = "orders"
send = ["ENV=(POLICY=offsite)"]
environment = { CLIENT = "db-backup" }
"""


def test_an_entry_with_a_library_is_a_media_manager(tmp_path: Path) -> None:
    medium = load_medium(written(tmp_path, SBT), "obk")
    assert isinstance(medium, SbtMedium)
    assert medium.block_bytes == 256 * 1024


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (('"/opt/manager/libobk.so"', '"libobk.so"'), "sbt_lib must be the absolute path"),
        (('"orders"', '"orders-eu"'), "database_name must have 1 to 8 letters"),
        (('["ENV=(POLICY=offsite)"]', '"ENV"'), "send must be a list of texts"),
        (("send =", "store ="), "unknown: store"),
    ],
)
def test_what_is_odd_of_a_library_is_named(
    tmp_path: Path, change: tuple[str, str], problem: str
) -> None:
    with pytest.raises(RepositoryError, match=problem):
        load_medium(written(tmp_path, SBT.replace(*change)), "obk")
