"""Is a backup of the server that was connected to, and of none other?"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from django.utils.timezone import now
from pytest_django import Settings

from backups.instances.grants import NEEDED
from backups.instances.reachability import EVERY, probe_instances
from backups.models import Backup, Instance, ObservedHistory
from backups.observed.read import due_histories, read_history
from tests.live.faults import FAILED, PASSWORD, REFUSED, USER, Told, assert_told, make_place
from tests.live.test_odd_servers import serve

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]


def test_files_of_another_server_at_the_same_path(tmp_path: Path, settings: Settings) -> None:
    """As where the server runs in a container, and its data folder's path is another's here."""
    # Of a lower LSN than the server's, the tool itself would not believe the files.
    with serve(tmp_path / "other") as other:
        other.execute("CREATE DATABASE more", "USE more", "CREATE TABLE more (t LONGTEXT)")
        other.execute("INSERT INTO more.more SELECT REPEAT('x', 4000000)")
    with serve(tmp_path / "data") as server:
        place = make_place(server, tmp_path, settings)
        label = place.label()
        # The server keeps its folder and its open files under the other name.
        (tmp_path / "data").rename(tmp_path / "kept")
        (tmp_path / "other").rename(tmp_path / "data")
        try:
            ended = place.take()
        finally:
            shutil.rmtree(tmp_path / "data")
            (tmp_path / "kept").rename(tmp_path / "data")
        assert_told(ended, Told(FAILED, "files are of another server", r"own host"))
        assert [backup.label for backup in Backup.objects.all()] == [label]


def test_another_server_at_the_address(tmp_path: Path, settings: Settings) -> None:
    with serve(tmp_path / "a") as first, serve(tmp_path / "b") as second:
        place = make_place(first, tmp_path, settings)
        place.label()
        second.execute(
            f"CREATE USER {USER}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'",
            f"GRANT {', '.join(NEEDED)} ON *.* TO {USER}@'127.0.0.1'",
        )
        Instance.objects.update(port=second.port, history_tool="mariadb_backup")
        assert_told(place.take(), Told(REFUSED, "another server is at this address"))
        assert Backup.objects.count() == 1
        assert probe_instances(now() + EVERY) == 0
        orders = Instance.objects.get()
        assert orders.other_server_since is not None
        assert orders.other_server != orders.server_identity
        assert due_histories(now()) == [orders.pk]
        assert read_history(orders, now()) == []
        assert "another server" in ObservedHistory.objects.get().detail
