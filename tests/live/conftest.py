"""A MariaDB for the tests that need one: private, empty, one for the whole session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings as DjangoSettings

from backups.programs.private_server import PrivateServer, ServerOptions
from tests.live.faults import Place, make_place
from tests.live.server import LiveServer, free_port, new_mariadb


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests of the other product: to skip them would say that something is missing."""
    others = [item for item in items if _is_of_another_product(item)]
    if others:
        items[:] = [item for item in items if item not in others]
        config.hook.pytest_deselected(items=others)


def _is_of_another_product(item: pytest.Item) -> bool:
    mark, call = item.get_closest_marker("of_product"), getattr(item, "callspec", None)
    return mark is not None and call is not None and call.params["product"] != mark.args[0]


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with its binlog on. Tests share it: make databases and users of your own."""
    folder = tmp_path_factory.mktemp("mariadb") / "data"
    new_mariadb(folder)
    # With less redo log, what a test has just loaded is most of it, and no copy may be slowed.
    settings = ServerOptions(
        port=free_port(),
        binlog=True,
        server_id=1,
        options={"innodb-log-file-size": "64M", "innodb-flush-log-at-trx-commit": "2"},
    )
    with PrivateServer(folder, settings) as server:
        assert settings.port is not None
        yield LiveServer(server, "127.0.0.1", settings.port)


@pytest.fixture
def place(
    mariadb: LiveServer, tmp_path: Path, settings: DjangoSettings, transactional_db: None
) -> Place:
    """Everything a job needs, whole: each test of faults breaks one thing of it."""
    return make_place(mariadb, tmp_path, settings)
