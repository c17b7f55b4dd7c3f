"""A tablespace or a schema's folder copied inside the data directory: named, with what to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.programs.private_server import PrivateServer, ServerOptions
from tests.live.faults import FAILED, Ending, Place, assert_ending, assert_nothing_left, make_place
from tests.live.server import LiveServer, free_port, new_mariadb

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder, port = tmp_path_factory.mktemp("strays") / "data", free_port()
    new_mariadb(folder)
    with PrivateServer(folder, ServerOptions(port=port, binlog=True, server_id=1)) as private:
        live = LiveServer(private, "127.0.0.1", port)
        live.execute("CREATE DATABASE pets", "CREATE TABLE pets.cats (id INT PRIMARY KEY)")
        yield live


@pytest.fixture
def place(server: LiveServer, tmp_path: Path, settings: Settings, transactional_db: None) -> Place:
    return make_place(server, tmp_path, settings)


def copy_file(data: Path, table: Path) -> Path:
    return Path(shutil.copy(table, data / "pets" / "a_copy.ibd"))


def copy_folder(data: Path, table: Path) -> Path:
    (data / "pets_old").mkdir()
    shutil.copy(table, data / "pets_old" / "cats.ibd")
    return data / "pets_old"


def write_nonsense(data: Path, table: Path) -> Path:
    (data / "pets" / "other.ibd").write_bytes(b"x" * 70_000)
    return data / "pets" / "other.ibd"


@pytest.mark.parametrize(
    ("plant", "ending"),
    [
        (
            copy_file,
            Ending(
                FAILED,
                r"pets/a_copy.ibd and pets/cats.ibd in the data directory have the same space id",
                r"uses pets/cats.ibd and not pets/a_copy.ibd: move pets/a_copy.ibd out of",
            ),
        ),
        (
            copy_folder,
            Ending(
                FAILED,
                r"pets/cats.ibd and pets_old/cats.ibd in the data directory have the same space",
                r"uses pets/cats.ibd and not pets_old/cats.ibd: move .*copied, the folder",
            ),
        ),
        (
            write_nonsense,
            Ending(
                FAILED,
                r"pets/other.ibd in the data directory is not a valid tablespace",
                r"no such table, move pets/other.ibd out of the data directory",
            ),
        ),
    ],
)
def test_a_stray_file_is_named(
    place: Place, plant: Callable[[Path, Path], Path], ending: Ending
) -> None:
    data = place.server.folder
    with place.server.server.connect() as connection, connection.cursor() as cursor:
        # Or its first page may still be in memory only.
        cursor.execute("FLUSH TABLES pets.cats FOR EXPORT")
        stray = plant(data, data / "pets" / "cats.ibd")
    try:
        ended = place.take()
        assert "again" not in ended.json()["hint"]
        assert_ending(ended, ending)
        assert_nothing_left(place)
    finally:
        shutil.rmtree(stray) if stray.is_dir() else stray.unlink()
    assert place.take().exit_code == 0
