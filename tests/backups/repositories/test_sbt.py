"""Does a media manager's library store whole pieces, and hurt nobody where it fails?"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backups.exceptions import RepositoryError
from backups.repositories.base import Identity
from backups.repositories.layout import FORMAT_VERSION
from backups.repositories.sequential.catalog import MemoryCatalog
from backups.repositories.sequential.sbt.medium import SbtMedium
from backups.repositories.sequential.sbt.session import SbtSettings
from backups.repositories.sequential.store import SequentialStore
from tests.backups.repositories.folder_medium import opened
from tests.backups.repositories.media_manager import settings_of

UUID = "00000000-0000-4000-8000-000000000007"
CONTENT = os.urandom(50_001)
PIECE = "site1.a+2fone.1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tape").mkdir()
    return tmp_path / "tape"


def store_on(settings: SbtSettings) -> SequentialStore:
    medium = SbtMedium("tested", settings)
    return SequentialStore(opened(medium), "site1", MemoryCatalog(), "media:tested/site1", UUID)


def put(store: SequentialStore, name: str = "a/one") -> None:
    with store.create(name) as upload:
        upload.write(CONTENT)
        upload.commit()


def pieces(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def calls(log: Path) -> list[str]:
    return log.read_text().split()


def test_what_was_stored_comes_back(folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "calls"
    store = store_on(settings_of(folder, commands=("ENV=(POLICY=offsite)",), log=log))
    store.initialise(Identity(UUID, FORMAT_VERSION))
    store.try_writing()
    log.unlink()
    put(store)
    begin = ["init", "init2", "ENV=(POLICY=offsite)"]
    writes = 15 * ["write2"]
    asked = [*begin, "info2", "end"]
    assert calls(log) == [*asked, *begin, "info2", "backup", *writes, "close2", "info2", "end"]
    assert store.read("a/one") == CONTENT
    assert pieces(folder) == [PIECE, "site1.mooring.json.1"]
    log.unlink()
    assert store.remove("a/one") == len(CONTENT)
    assert calls(log) == [*begin, "info2", "remove2", "end"]
    assert pieces(folder) == ["site1.mooring.json.1"]


def test_a_name_that_is_there_is_not_written_over(folder: Path) -> None:
    (folder / PIECE).write_bytes(b"another's")
    with pytest.raises(RepositoryError, match=r"piece .* is on medium tested already"):
        SbtMedium("tested", settings_of(folder)).store(PIECE)
    put(store_on(settings_of(folder)))
    assert (folder / PIECE).read_bytes() == b"another's"
    assert pieces(folder) == [PIECE, "site1.a+2fone.2"]


@pytest.mark.parametrize("after", [0, 3, 14])
def test_a_write_that_fails_is_given_up_and_removed(
    folder: Path, tmp_path: Path, after: int
) -> None:
    log = tmp_path / "calls"
    store = store_on(settings_of(folder, fail="write2=7501", after=after, log=log))
    with pytest.raises(
        RepositoryError, match="sbtwrite2 with error 7501: no tape for you"
    ) as raised:
        put(store)
    assert f"storing piece {PIECE} on medium tested failed" in str(raised.value)
    made = calls(log)
    assert made.index("abort") < made.index("remove2")
    assert pieces(folder) == []
    assert not store.holds("a")


@pytest.mark.parametrize(
    ("call", "code"),
    [("init", 7110), ("init2", 7501), ("info2", 7500), ("backup", 7503), ("close2", 7501),
     ("end", 7501)],
)  # fmt: skip
def test_each_call_that_fails_is_named_and_leaves_nothing(
    folder: Path, call: str, code: int
) -> None:
    store = store_on(settings_of(folder, fail=f"{call}={code}"))
    with pytest.raises(RepositoryError, match=rf"sbt{call} with error {code}"):
        put(store)
    assert not list(store.list("a"))
    assert set(pieces(folder)) <= {PIECE}


@pytest.mark.parametrize(
    ("call", "how"),
    [("init", "crash"), ("backup", "crash"), ("write2", "crash"), ("close2", "crash"),
     ("info2", "exit"), ("write2", "exit"), ("close2", "exit")],
)  # fmt: skip
def test_a_library_that_dies_takes_nobody_along(folder: Path, call: str, how: str) -> None:
    problem = "ended by signal 11" if how == "crash" else "ended its process with exit code 0"
    store = store_on(settings_of(folder, die=f"{call}={how}"))
    with pytest.raises(RepositoryError, match=problem):
        put(store)
    assert not list(store.list("a"))
    sound = store_on(settings_of(folder))
    sound.catalog = store.catalog
    sound.remove_tree("a")
    put(sound)
    assert sound.read("a/one") == CONTENT
    assert pieces(folder) == [PIECE]


@pytest.mark.parametrize("call", ["init", "write2", "close2"])
def test_a_library_that_hangs_is_noticed_by_its_silence(folder: Path, call: str) -> None:
    store = store_on(settings_of(folder, stall_seconds=3.0, die=f"{call}=hang"))
    with pytest.raises(RepositoryError, match=r"no byte moved for 3 s"):
        put(store)
    assert not list(store.list("a"))


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ("short", "is cut off: it ends after 2 blocks"),
        ("flip", "block 1 of piece .* is damaged: its checksum does not match"),
        ("fault", "sbtread2 with error 7501: the tape is torn"),
    ],
)
def test_what_comes_back_wrong_is_refused(folder: Path, how: str, problem: str) -> None:
    store = store_on(settings_of(folder))
    put(store)
    broken = store_on(settings_of(folder, read=how))
    broken.catalog = store.catalog
    with pytest.raises(RepositoryError, match=problem):
        broken.read("a/one")


def test_a_piece_that_is_gone_is_named(folder: Path) -> None:
    store = store_on(settings_of(folder))
    store.initialise(Identity(UUID, FORMAT_VERSION))
    put(store)
    (folder / PIECE).unlink()
    assert not store.exists("a/one")
    with pytest.raises(RepositoryError, match=f"medium tested does not have piece {PIECE}"[:40]):
        store.read("a/one")
    assert store.remove("a/one") == len(CONTENT)


@pytest.mark.parametrize(("code", "found"), [(7502, False), (7501, None)])
def test_not_found_is_an_answer_and_any_other_error_is_none(
    folder: Path, code: int, found: bool | None
) -> None:
    medium = SbtMedium("tested", settings_of(folder, fail=f"info2={code}"))
    if found is None:
        with pytest.raises(RepositoryError, match="sbtinfo2 with error 7501"):
            medium.holds(PIECE)
    else:
        assert medium.holds(PIECE) is found


def test_a_piece_that_the_media_manager_does_not_know_afterwards_is_not_stored(
    folder: Path,
) -> None:
    store = store_on(settings_of(folder, lost="yes"))
    with pytest.raises(RepositoryError, match="was stored, and the media manager does not know it"):
        put(store)
    assert not list(store.list("a"))


@pytest.mark.parametrize(
    ("faults", "problem"),
    [
        ({"api": "0100"}, r"speaks version 1.0 of the interface, not 2.0"),
        ({"api": "0300"}, r"speaks version 3.0 of the interface, not 2.0"),
        ({"table": "no"}, r"it has no table of functions"),
        ({"context": "0"}, r"it wants a context of 0 bytes"),
        ({"context": "99999999"}, r"it wants a context of 99999999 bytes"),
    ],
)
def test_a_library_of_another_kind_is_refused(
    folder: Path, faults: dict[str, Any], problem: str
) -> None:
    with pytest.raises(RepositoryError, match=problem):
        SbtMedium("tested", settings_of(folder, **faults)).check()


def test_a_file_that_is_no_library_is_refused(folder: Path) -> None:
    text = folder / "libobk.so"
    text.write_text("no library")
    settings = replace(settings_of(folder), library=str(text))
    with pytest.raises(RepositoryError, match=r"dlopen: .*libobk\.so: "):
        SbtMedium("tested", settings).check()


def test_a_command_that_the_media_manager_refuses_is_named(folder: Path) -> None:
    with pytest.raises(RepositoryError, match="sbtcommand with error 7501: unknown command"):
        SbtMedium("tested", settings_of(folder, commands=("DRIVE=7",))).check()


def test_the_library_sees_none_of_our_secrets(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process begins with the environment that the file of media names, and no other."""
    monkeypatch.setenv("FAKE_DIE", "init=crash")
    monkeypatch.setenv("MOORING_BACKUP_KEY", "not for libraries")
    SbtMedium("tested", settings_of(folder)).check()
