"""Is a backup of the server that was connected to, and of none other?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.utils.timezone import now
from pytest_django import Settings

from backups.instances.grants import NEEDED
from backups.instances.reachability import EVERY, probe_instances
from backups.models import Backup, Instance, ObservedHistory
from backups.observed.read import due_histories, read_history
from backups.states import Operation
from tests.commands import run_command
from tests.live.faults import (
    FAILED,
    PASSWORD,
    REFUSED,
    USER,
    Ending,
    assert_ending,
    before,
    make_place,
)
from tests.live.test_odd_servers import serve

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]


class Swap:
    """A server whose data folder's path is another's here, as where it runs in a container."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Of a lower LSN than the server's, the tool itself would not believe the files.
        with serve(folder / "other") as other:
            other.execute("CREATE DATABASE more", "USE more", "CREATE TABLE more (t LONGTEXT)")
            other.execute("INSERT INTO more.more SELECT REPEAT('x', 4000000)")

    def begin(self) -> None:
        """Swap: the server keeps its folder and its open files under another name."""
        (self._folder / "data").rename(self._folder / "kept")
        (self._folder / "other").rename(self._folder / "data")

    def end(self) -> None:
        (self._folder / "data").rename(self._folder / "other")
        (self._folder / "kept").rename(self._folder / "data")


def test_the_doctor_sees_files_of_another_server(tmp_path: Path, settings: Settings) -> None:
    swap = Swap(tmp_path)
    with serve(tmp_path / "data") as server:
        place = make_place(server, tmp_path, settings)
        assert doctor()["verdict"] == "ok"
        swap.begin()
        try:
            found, ended = doctor(), place.take()
        finally:
            swap.end()
        assert (found["verdict"], "another server" in found["found"]) == ("failed", True)
        assert_ending(ended, Ending(REFUSED, "files .* are of another server", r"own host"))


def test_a_copy_of_another_servers_files_is_no_backup(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    swap = Swap(tmp_path)
    with serve(tmp_path / "data") as server:
        place = make_place(server, tmp_path, settings)
        before(monkeypatch, Operation.BACKUP, "copy", swap.begin)
        try:
            ended = place.take()
        finally:
            swap.end()
        assert_ending(ended, Ending(FAILED, "files are of another server", r"own host"))
        assert not Backup.objects.exists()


# Any: a check as JSON.
def doctor() -> dict[str, Any]:
    checks = run_command("doctor", "orders-1", "--json").json()["checks"]
    (check,) = [each for each in checks if each["name"] == "one server"]
    return dict(check)


def test_another_server_at_the_address(tmp_path: Path, settings: Settings) -> None:
    with serve(tmp_path / "a") as first, serve(tmp_path / "b") as second:
        place = make_place(first, tmp_path, settings)
        place.label()
        second.execute(
            f"CREATE USER {USER}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'",
            f"GRANT {', '.join(NEEDED)} ON *.* TO {USER}@'127.0.0.1'",
        )
        Instance.objects.update(port=second.port, history_tool="mariadb_backup")
        assert_ending(place.take(), Ending(REFUSED, "another server is at this address"))
        assert Backup.objects.count() == 1
        assert probe_instances(now() + EVERY) == 0
        orders = Instance.objects.get()
        assert orders.other_server_since is not None
        assert orders.other_server != orders.server_identity
        assert due_histories(now()) == [orders.pk]
        assert read_history(orders, now()) == []
        assert "another server" in ObservedHistory.objects.get().detail
