"""Does a clone of a real server, under load, make a server that is right?"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from backups.clone_protocol import (
    Block,
    CloneError,
    CloneStopped,
    ConnectionLost,
    DonorError,
    Endpoint,
    FileAnnounced,
    SpoolLimits,
    State,
    Tls,
    clone,
)
from backups.logins.tls import Certificates
from tests.live.clone_folder import CloneFolder
from tests.live.mysql import ROOT, PrivateMysql, know_scramble, program
from tests.live.mysql_load import TOTAL, Load, prepare

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def donor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateMysql]:
    folder = tmp_path_factory.mktemp("donor") / "data"
    with PrivateMysql(folder, {"log-bin": "binlog", "sync-binlog": "0"}) as server:
        server.execute(
            "INSTALL PLUGIN clone SONAME 'mysql_clone.so'",
            "CREATE USER don@'127.0.0.1' IDENTIFIED BY 'secret'",
            "GRANT BACKUP_ADMIN ON *.* TO don@'127.0.0.1'",
            "CREATE USER weak@'127.0.0.1' IDENTIFIED BY 'secret'",
        )
        prepare(server)
        for user in ("don", "weak"):
            know_scramble(endpoint(server, user, Tls.REQUIRED))
        yield server


def endpoint(server: PrivateMysql, user: str = "don", tls: Tls = Tls.OFF) -> Endpoint:
    return Endpoint(user, "secret", port=server.port, tls=tls)


def transactions(server: PrivateMysql) -> int:
    """Return how many transactions a server has in its GTID set."""
    gtids = server.execute("SELECT @@GLOBAL.gtid_executed")[0][0]
    count = 0
    for interval in gtids.replace("\n", "").split(":")[1:]:
        first, _, last = interval.partition("-")
        count += int(last or first) - int(first) + 1
    return count


def log_rows(server: PrivateMysql) -> int:
    return int(server.execute("SELECT COUNT(*) FROM bank.log")[0][0])


def take(server: PrivateMysql, target: Path, *, workers: int, tls: Tls) -> CloneFolder:
    """Clone a server slowly enough that its pages change meanwhile."""
    taken = CloneFolder(target)
    limits = SpoolLimits(memory_bytes=4 << 20)
    with clone(endpoint(server, tls=tls).connect, workers=workers, limits=limits) as stream:
        for record in stream.records():
            taken.take(record)
            if isinstance(record, Block):
                time.sleep(len(record.payload) / 40e6)
        assert stream.attached_workers == workers
        assert stream.spilled_bytes == 0
    return taken


@pytest.mark.parametrize(("workers", "tls"), [(0, Tls.OFF), (1, Tls.REQUIRED), (3, Tls.PREFERRED)])
def test_a_clone_under_load_becomes_a_server(
    donor: PrivateMysql, tmp_path: Path, workers: int, tls: Tls
) -> None:
    others = transactions(donor) - log_rows(donor)
    with Load(donor) as load:
        time.sleep(1)
        taken = take(donor, tmp_path / "data", workers=workers, tls=tls)
    assert load.errors == []
    assert taken.blocks[State.PAGE_COPY] > 0
    assert taken.changes, "no table changed while the clone was taken"
    check_pages(taken)
    with PrivateMysql(tmp_path / "data") as restored:
        assert damaged_tables(restored) == []
        assert restored.execute("SELECT SUM(amount) FROM bank.account") == [(TOTAL,)]
        assert transactions(restored) == others + log_rows(restored)
        assert log_rows(restored) > 0
        assert restored.log_errors() == []


def check_pages(taken: CloneFolder) -> None:
    """Have the server's own tool verify every page before a server touches it."""
    for path in taken.data_files():
        if path.name != "ib_buffer_pool":
            done = subprocess.run(
                [program("innochecksum"), str(path)], capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{path}: {done.stderr}"


def damaged_tables(server: PrivateMysql) -> list[object]:
    tables = server.execute(
        "SELECT CONCAT('`', table_schema, '`.`', table_name, '`') FROM information_schema.tables"
        " WHERE engine = 'InnoDB' AND table_type = 'BASE TABLE'"
    )
    assert len(tables) > 20
    checks = [server.execute(f"CHECK TABLE {table}") for (table,) in tables]
    return [row for rows in checks for row in rows if row[2:] != ("status", "OK")]


KILLED = """
import sys, time
from backups.clone_protocol import *
endpoint = Endpoint("don", "secret", port=int(sys.argv[1]), tls=Tls.OFF)
with clone(endpoint.connect, workers=2, limits=SpoolLimits(memory_bytes=1 << 20)) as stream:
    for record in stream.records():
        print(record.state if hasattr(record, "state") else "", flush=True)
        time.sleep(0.02)
"""


def test_after_a_killed_client_the_next_clone_starts_at_once(donor: PrivateMysql) -> None:
    chance = random.Random(5)
    for _ in range(5):
        argv = [sys.executable, "-c", KILLED, str(donor.port)]
        with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE) as client:
            assert client.stdout is not None
            client.stdout.readline()
            time.sleep(chance.uniform(0, 0.8))
            assert client.poll() is None
            client.send_signal(signal.SIGKILL)
        begins_at_once(donor)


def begins_at_once(donor: PrivateMysql) -> None:
    began = time.monotonic()
    with clone(endpoint(donor).connect) as stream:
        next(stream.records())
    assert time.monotonic() - began < 5


def test_a_stopped_clone_leaves_the_donor_free(donor: PrivateMysql) -> None:
    for blocks in (0, 1, 30):
        with clone(endpoint(donor).connect, workers=2) as stream:
            seen = 0
            with pytest.raises(CloneStopped):
                for record in stream.records():
                    seen += isinstance(record, Block)
                    if seen >= blocks:
                        stream.stop()
        begins_at_once(donor)


def test_a_second_clone_is_refused(donor: PrivateMysql) -> None:
    with clone(endpoint(donor).connect) as first:
        next(first.records())
        with clone(endpoint(donor).connect) as second, pytest.raises(DonorError) as caught:
            _ = second.donor
        assert caught.value.code == 3634
        assert "other clone" in caught.value.hint


def test_a_missing_privilege_is_named(donor: PrivateMysql) -> None:
    weak = endpoint(donor, "weak")
    with pytest.raises(DonorError) as caught, clone(weak.connect):
        pass
    assert caught.value.code == 1227
    assert "BACKUP_ADMIN" in caught.value.hint


def test_a_missing_plugin_is_named(donor: PrivateMysql) -> None:
    donor.execute("UNINSTALL PLUGIN clone")
    try:
        with pytest.raises(DonorError) as caught, clone(endpoint(donor).connect):
            pass
    finally:
        donor.execute("INSTALL PLUGIN clone SONAME 'mysql_clone.so'")
    assert caught.value.code == 1524
    assert "INSTALL PLUGIN clone SONAME 'mysql_clone.so'." in caught.value.hint


def test_a_wrong_password_is_not_repeated(donor: PrivateMysql) -> None:
    wrong = Endpoint("don", "hunter2", port=donor.port)
    with pytest.raises(CloneError, match="Access denied") as caught, clone(wrong.connect):
        pass
    assert "hunter2" not in f"{caught.value} {wrong!r}"


def test_a_certificate_that_does_not_fit_is_refused(donor: PrivateMysql, tmp_path: Path) -> None:
    # The server's own authority, but a certificate for no name: it is not who it should be.
    authority = donor.folder / "ca.pem"
    files = Certificates(str(authority))
    strict = replace(endpoint(donor, tls=Tls.VERIFY_IDENTITY), certificates=files)
    with pytest.raises(CloneError, match="certificate"):
        strict.connect()
    replace(strict, tls=Tls.VERIFY_CA).connect().close()


def test_the_donor_introduces_itself(donor: PrivateMysql) -> None:
    with clone(endpoint(donor).connect) as stream:
        facts = stream.donor
        files = [r.path for r in stream.records() if isinstance(r, FileAnnounced)]
    assert facts.configuration["version"] == facts.server_version
    assert facts.configuration["innodb_page_size"] == "16384"
    assert "clone" in {plugin.name for plugin in facts.plugins}
    assert {"ibdata1", "mysql.ibd", "bank/account.ibd"} <= set(files)


def test_a_donor_that_dies_is_noticed(tmp_path: Path) -> None:
    with PrivateMysql(tmp_path / "data") as server:
        server.execute("INSTALL PLUGIN clone SONAME 'mysql_clone.so'")
        server.execute("CREATE USER don@'127.0.0.1' IDENTIFIED BY 'secret'")
        know_scramble(endpoint(server, tls=Tls.REQUIRED))
        server.execute("GRANT BACKUP_ADMIN ON *.* TO don@'127.0.0.1'")
        limits = SpoolLimits(memory_bytes=1 << 20)
        with clone(endpoint(server).connect, workers=1, limits=limits) as stream:
            records = stream.records()
            while not isinstance(next(records), Block):
                pass
            server.kill()
            with pytest.raises(ConnectionLost):
                list(records)
