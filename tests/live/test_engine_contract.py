"""Does every engine keep its contract against a server of its own kind?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from backups.engines import ENGINES, CopyRequest, Engine
from backups.engines.base import Login
from backups.exceptions import EngineError, MooringError
from backups.programs.compatibility import CLONE, MARIADB_BACKUP
from backups.runners import LocalRunner
from tests.live.clone_jobs import PASSWORD, USER
from tests.live.mysql import PrivateMysql
from tests.live.observer import Diary
from tests.live.server import LiveServer, free_port

pytestmark = pytest.mark.live

WRONG = "Tr0ub4dor&3"


@pytest.fixture(scope="module")
def mysql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateMysql]:
    with PrivateMysql(tmp_path_factory.mktemp("donor") / "data") as server:
        server.execute(*USER)
        yield server


@pytest.fixture(params=list(ENGINES))
def engine(request: pytest.FixtureRequest) -> Engine[Any]:
    return ENGINES[request.param]


@pytest.fixture
def login(engine: Engine[Any], request: pytest.FixtureRequest) -> Login:
    logins: dict[str, Callable[[], Login]] = {
        MARIADB_BACKUP: lambda: login_of_mariadb(request.getfixturevalue("mariadb")),
        CLONE: lambda: Login("bk", PASSWORD, port=request.getfixturevalue("mysql").port),
    }
    return logins[engine.name]()


def login_of_mariadb(server: LiveServer) -> Login:
    return Login(server.user, server.password, socket=server.socket)


def request_for(engine: Engine[Any], login: Login, spool: Path) -> CopyRequest[Any]:
    return CopyRequest(login, LocalRunner(), engine.options(), threads=2, spool_folder=spool)


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def test_a_copy_tells_its_stages_and_its_facts(
    engine: Engine[Any], login: Login, tmp_path: Path
) -> None:
    diary, before = Diary(), children()
    with engine.copy(request_for(engine, login, tmp_path), diary) as copy:
        assert sum(1 for _ in copy.records()) > 0
        facts = copy.facts()
    assert children() == before
    begun = [name for name in engine.stages if name in diary.started]
    assert list(diary.started) == begun
    assert facts.to_lsn and facts.from_lsn == 0 and facts.server_version
    assert isinstance(facts.details, engine.details)
    assert engine.details.read(facts.details.write()) == facts.details


def test_what_was_not_read_to_its_end_has_no_facts(
    engine: Engine[Any], login: Login, tmp_path: Path
) -> None:
    before = children()
    with engine.copy(request_for(engine, login, tmp_path), Diary()) as copy:
        next(copy.records())
        with pytest.raises(EngineError):
            copy.facts()
        copy.stop()
        copy.stop()
    assert children() == before
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrong", ["port", "password"])
def test_a_server_it_cannot_reach_is_an_error_without_the_password(
    engine: Engine[Any], login: Login, tmp_path: Path, wrong: str
) -> None:
    before = children()
    bad = replace(login, password=WRONG)
    if wrong == "port":
        bad = replace(bad, socket="", port=free_port())
    diary = Diary()
    with (
        pytest.raises(MooringError) as raised,
        engine.copy(request_for(engine, bad, tmp_path), diary) as copy,
    ):
        list(copy.records())
    assert WRONG not in f"{raised.value} {raised.value.hint} {diary.said()}"
    assert children() == before
