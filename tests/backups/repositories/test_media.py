"""Does every kind of medium store whole pieces, and say which part failed where it does not?"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from backups.exceptions import RepositoryError
from backups.repositories.base import Identity
from backups.repositories.layout import FORMAT_VERSION
from backups.repositories.sequential.catalog import MemoryCatalog
from backups.repositories.sequential.pipe import Commands, PipeMedium
from backups.repositories.sequential.pipeline import Surroundings
from backups.repositories.sequential.store import SequentialStore
from tests.backups.repositories.folder_medium import opened

UUID = "00000000-0000-4000-8000-000000000007"
CONTENT = os.urandom(300_001)


def plain(folder: Path, stall_seconds: float = 20.0) -> Commands:
    """Commands that every system has; names are taken below the folder that they run in."""
    return Commands(
        store=(("zstd", "-q", "-c"), ("tee", "{piece}")),
        fetch=(("cat", "{piece}"), ("zstd", "-q", "-d", "-c")),
        exists=("test", "-e", "{piece}"),
        list=("ls",),
        remove=("rm", "{piece}"),
        block_bytes=4096,
        surroundings=Surroundings({"LC_ALL": "C"}, str(folder), stall_seconds),
    )


def scripted(commands: Commands, **scripts: str) -> Commands:
    """The same with parts of a shell's script in the place of some; ``$0`` is the piece."""
    parts: dict[str, Sequence[object]] = {}
    for name, script in scripts.items():
        words = ("sh", "-c", script, "{piece}")
        parts[name] = (words,) if name in {"store", "fetch"} else words
    return replace(commands, **parts)  # type: ignore[arg-type]


def store_on(commands: Commands) -> SequentialStore:
    medium = PipeMedium("tested", commands)
    return SequentialStore(opened(medium), "site1", MemoryCatalog(), "media:tested/site1", UUID)


def put(store: SequentialStore, name: str = "a/one", content: bytes = CONTENT) -> None:
    with store.create(name) as upload:
        for start in range(0, len(content), 70_000):
            upload.write(content[start : start + 70_000])
        upload.commit()


def pieces(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_was_stored_comes_back(tmp_path: Path) -> None:
    store = store_on(plain(tmp_path))
    store.initialise(Identity(UUID, FORMAT_VERSION))
    store.try_writing()
    put(store)
    assert store.read("a/one") == CONTENT
    assert pieces(tmp_path) == ["site1.a+2fone.1", "site1.mooring.json.1"]
    assert store.exists("a/one")
    assert store.remove_tree("a") == len(CONTENT)
    assert pieces(tmp_path) == ["site1.mooring.json.1"]


def test_a_medium_that_lists_only_is_asked_by_its_list(tmp_path: Path) -> None:
    store = store_on(replace(plain(tmp_path), exists=()))
    store.initialise(Identity(UUID, FORMAT_VERSION))
    put(store)
    assert store.exists("a/one")
    assert store.remove("a/one") == len(CONTENT)
    assert pieces(tmp_path) == ["site1.mooring.json.1"]


def test_a_name_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "site1.a+2fone.1").write_bytes(b"another's")
    put(store_on(plain(tmp_path)))
    assert pieces(tmp_path) == ["site1.a+2fone.1", "site1.a+2fone.2"]
    assert (tmp_path / "site1.a+2fone.1").read_bytes() == b"another's"


def test_a_medium_that_has_every_name_is_not_believed(tmp_path: Path) -> None:
    store = store_on(replace(plain(tmp_path), exists=("true", "{piece}")))
    with pytest.raises(RepositoryError, match="has pieces 1 to 10 of a/one by its own word"):
        put(store)


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("cat > $0; echo no tape >&2; exit 3", "sh ended with exit code 3: no tape"),
        ("head -c 10000 > $0; exit 3", "sh ended with exit code 3"),
        ("head -c 10000 > $0", "sh took only .* bytes"),
        ("cat > $0; kill -9 $$", "sh ended by signal 9"),
        ("exec no-such-program", "sh ended with exit code 127"),
    ],
)
def test_what_is_not_confirmed_is_not_there(tmp_path: Path, script: str, problem: str) -> None:
    store_on(plain(tmp_path)).initialise(Identity(UUID, FORMAT_VERSION))
    store = store_on(scripted(plain(tmp_path), store=script))
    with pytest.raises(RepositoryError, match=problem) as raised:
        put(store)
    assert "storing piece site1.a+2fone.1 on medium tested failed" in str(raised.value)
    assert not store.exists("a/one")
    assert not store.holds("a")
    assert pieces(tmp_path) == ["site1.mooring.json.1"]


def test_each_part_of_a_pipe_is_asked_how_it_ended(tmp_path: Path) -> None:
    commands = plain(tmp_path)
    first = ("sh", "-c", "cat; echo broken part >&2; exit 4", "{piece}")
    with pytest.raises(RepositoryError, match="sh ended with exit code 4: broken part"):
        put(store_on(replace(commands, store=(first, ("tee", "{piece}")))))
    last = ("sh", "-c", "head -c 5000 > $0; echo tape full >&2; exit 5", "{piece}")
    with pytest.raises(RepositoryError, match="sh ended with exit code 5: tape full") as raised:
        put(store_on(replace(commands, store=(("cat",), last))))
    # The first one only lost its reader.
    assert "cat" not in str(raised.value)
    assert pieces(tmp_path) == []


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("cat $0; exit 6", "fetching piece .* sh ended with exit code 6"),
        ("head -c 9000 $0", "is cut off: it has a short block 2"),
        ("head -c 9000 $0; echo media error >&2; exit 6", "exit code 6: media error"),
        ("tr a b < $0", "is damaged"),
        ("cat $0 $0", "goes on after its end"),
        ("true", "ends after 0 blocks"),
        ("kill -TERM $$", "ended by signal 15"),
    ],
)
def test_what_comes_back_wrong_is_refused(tmp_path: Path, script: str, problem: str) -> None:
    commands = scripted(plain(tmp_path), store="cat > $0", fetch=script)
    store = store_on(commands)
    put(store)
    with pytest.raises(RepositoryError, match=problem):
        store.read("a/one")


def test_a_store_that_hangs_is_noticed_by_its_bytes(tmp_path: Path) -> None:
    script = "head -c 100 > $0; sleep 100"
    store = store_on(scripted(plain(tmp_path, stall_seconds=0.5), store=script))
    with pytest.raises(RepositoryError, match=r"no byte moved for 0.5 s, after \d+ bytes"):
        put(store, content=bytes(4_000_000))
    assert not store.holds("a")
    assert not sleepers(tmp_path)


def test_a_confirmation_or_a_fetch_that_hangs_is_noticed(tmp_path: Path) -> None:
    impatient = plain(tmp_path, stall_seconds=1.5)
    with pytest.raises(RepositoryError, match=r"no byte moved for 1.5 s"):
        put(store_on(scripted(impatient, store="cat > $0; sleep 100")))
    store = store_on(scripted(plain(tmp_path), store="cat > $0"))
    put(store)
    slow = store_on(scripted(impatient, fetch="head -c 5000 $0; sleep 100"))
    slow.catalog = store.catalog
    with pytest.raises(RepositoryError, match=r"no byte moved for 1.5 s, after \d+ bytes"):
        slow.read("a/one")
    assert not sleepers(tmp_path)


def test_slow_is_no_hang(tmp_path: Path) -> None:
    script = "for i in 1 2 3 4 5 6 7 8; do head -c 70000; sleep 0.5; done > $0; cat >> $0"
    store = store_on(scripted(plain(tmp_path, stall_seconds=3.0), store=script, fetch="cat $0"))
    began = time.monotonic()
    with store.create("a/one") as upload:
        upload.write(CONTENT + bytes(1_000_000))
        upload.commit()
    assert time.monotonic() - began > 3.0
    assert store.read("a/one") == CONTENT + bytes(1_000_000)


def test_a_stop_ends_a_write_that_is_blocked_with_all_its_processes(tmp_path: Path) -> None:
    store = store_on(scripted(plain(tmp_path), store="sleep 100 & sleep 100"))
    with pytest.raises(RepositoryError, match="was stopped after"), store.create("a") as upload:
        threading.Timer(0.3, store.stop).start()
        upload.write(bytes(8_000_000))
    assert not sleepers(tmp_path)


def test_a_cut_store_never_sees_the_end_of_its_input(tmp_path: Path) -> None:
    """At the end of its input a command calls what it has a whole piece."""
    store = store_on(scripted(plain(tmp_path), store="cat > $0.half && touch $0", remove="true"))
    with pytest.raises(KeyboardInterrupt), store.create("a/one") as upload:
        upload.write(CONTENT)
        raise KeyboardInterrupt
    assert "site1.a+2fone.1" not in pieces(tmp_path)


def test_pieces_that_nobody_can_remove_are_left_to_the_media_manager(tmp_path: Path) -> None:
    store = store_on(replace(plain(tmp_path), remove=()))
    put(store)
    assert store.remove_tree("a") == 0
    assert not store.holds("a")
    assert pieces(tmp_path) == ["site1.a+2fone.1"]


def test_an_unanswered_question_is_an_error_not_a_no(tmp_path: Path) -> None:
    store = store_on(scripted(plain(tmp_path), exists="echo no catalog >&2; exit 2"))
    with pytest.raises(RepositoryError, match=r"looking for piece .* exit code 2: no catalog"):
        put(store)


@pytest.mark.parametrize("broken", ["exists", "list"])
def test_a_medium_that_denies_everything_is_not_believed(tmp_path: Path, broken: str) -> None:
    commands = replace(plain(tmp_path), exists=() if broken == "list" else ("true",))
    script = {"exists": "test ! -e down && test -e $0", "list": "test -e down || ls"}[broken]
    store = store_on(scripted(commands, **{broken: script}))
    store.initialise(Identity(UUID, FORMAT_VERSION))
    put(store)
    (tmp_path / "down").touch()
    attempts: tuple[Callable[[], object], ...] = (
        lambda: store.remove("a/one"),
        lambda: store.remove_tree("a"),
        lambda: store.exists("a/one"),
    )
    for attempt in attempts:
        with pytest.raises(RepositoryError, match="is there is unknown: the medium reports neith"):
            attempt()
    assert list(store.list("a")) == ["a/one"]

    (tmp_path / "down").unlink()
    assert store.remove("a/one") == len(CONTENT)
    assert pieces(tmp_path) == ["site1.mooring.json.1"]


def test_a_no_in_a_moment_of_failure_is_not_believed(tmp_path: Path) -> None:
    store = store_on(scripted(plain(tmp_path), exists="! rm down 2>/dev/null && test -e $0"))
    store.initialise(Identity(UUID, FORMAT_VERSION))
    put(store)
    (tmp_path / "down").touch()
    with pytest.raises(RepositoryError, match="the medium denied it, then reported it") as raised:
        store.remove("a/one")
    assert raised.value.transient
    assert store.exists("a/one")


def test_a_piece_that_the_media_manager_expired_is_gone(tmp_path: Path) -> None:
    store = store_on(plain(tmp_path))
    store.initialise(Identity(UUID, FORMAT_VERSION))
    put(store)
    (tmp_path / "site1.a+2fone.1").unlink()
    assert not store.exists("a/one")
    store.remove("a/one")
    assert list(store.list("a")) == []


def test_a_medium_may_have_an_exit_code_of_its_own_for_no(tmp_path: Path) -> None:
    commands = replace(plain(tmp_path), not_there=4)
    store = store_on(scripted(commands, exists="test ! -e down || exit 1; test -e $0 || exit 4"))
    put(store)
    assert store.exists("a/one")
    (tmp_path / "down").touch()
    with pytest.raises(RepositoryError, match="exit code 1"):
        store.exists("a/one")


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    medium = PipeMedium("tested", replace(plain(tmp_path), fetch=(("no-such-client", "{piece}"),)))
    with pytest.raises(RepositoryError, match="medium tested: no-such-client is not installed"):
        medium.check()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    store = store_on(plain(tmp_path / "none"))
    with pytest.raises(RepositoryError, match=r"folder .*/none of .*test does not exist"):
        store.exists("mooring.json")


def test_no_secret_of_ours_is_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOORING_BACKUP_KEY", "not for tapes")
    script = "env > environment; cat > $0"
    put(store_on(scripted(plain(tmp_path), store=script)))
    found = (tmp_path / "environment").read_text()
    assert "LC_ALL=C\n" in found
    assert "not for tapes" not in found


def sleepers(folder: Path) -> list[int]:
    """Return the processes that run in the folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found
