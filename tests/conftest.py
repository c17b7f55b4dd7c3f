"""What holds in every test: no other machine, no program nobody installs, and the roles."""

from __future__ import annotations

import gc
import ipaddress
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import AppConfig, apps
from django.db import connections
from django.db.models.signals import post_migrate
from django.test import TransactionTestCase
from hypothesis import HealthCheck, settings

from backups.models import clock
from tests.live.templates import SHELF
from tests.programs import refuse_unlisted

# Tasks belong to this application, as in every process that runs or sends them.
import_module("monitor.celery")

# How long an example takes says how busy the machine is, nothing of the code.
settings.register_profile("mooring", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mooring")


FROM_A_TERMINAL = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-reliability",
        action="store_true",
        help="Write what tests/live/test_matrix.py saw to docs/reliability.md.",
    )


def pytest_configure(config: pytest.Config) -> None:
    # The workers of xdist share the folder of the process that started them.
    if not hasattr(config, "workerinput"):
        shelf = tempfile.mkdtemp(prefix="mooring-shelf-")
        os.environ[SHELF] = shelf
        config.add_cleanup(lambda: shutil.rmtree(shelf, ignore_errors=True))


def uses_database(item: pytest.Item) -> bool:
    """Whether a test may use the database: pytest-django refuses it to every other.

    Of the scripts nobody knows: some start processes that read our settings.
    """
    return (
        item.get_closest_marker("django_db") is not None
        or not {"db", "transactional_db"}.isdisjoint(getattr(item, "fixturenames", ()))
        or issubclass(getattr(item, "cls", None) or object, TransactionTestCase)
        or item.nodeid.startswith("tests/scripts/")
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first, so that no worker is left alone with it at the end."""
    for item in items:
        if uses_database(item):
            item.add_marker("database")
    live = [item for item in items if item.get_closest_marker("live")]
    nights = [item for item in items if item.nodeid.startswith("tests/scenarios/")]
    first = {id(item): number for number, item in enumerate([*live, *nights])}
    items.sort(key=lambda item: first.get(id(item), len(first)))


def pytest_collection_finish() -> None:
    """Let the collector of garbage pass over what stays: modules and thousands of tests.

    It would look at all of that again and again, for a sixth of the CPU time of a run.
    """
    gc.collect()
    gc.freeze()


class NetworkRefused(RuntimeError):
    """A test tried to leave this machine. Not an OSError: nobody may take it for one."""


def is_local(family: int, address: object) -> bool:
    """Whether a socket address is a unix socket or on the loopback interface."""
    if family == socket.AF_UNIX:
        return True
    if not isinstance(address, tuple) or not isinstance(address[0], str):
        return False
    try:
        return ipaddress.ip_address(address[0]).is_loopback
    except ValueError:
        return address[0] == "localhost"


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    for name in ("connect", "connect_ex"):
        patch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))
    yield
    patch.undo()


@pytest.fixture(autouse=True, scope="session")
def signals_reach_children() -> Iterator[None]:
    """A program started by a test obeys signals, even when ours are ignored.

    ``nohup`` and ``&`` have us ignore some, which every child would inherit. A handler is not
    inherited: we go on ignoring them, a child does as they say.
    """
    before = {number: signal.getsignal(number) for number in FROM_A_TERMINAL}
    for number, action in before.items():
        if action is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    yield
    for number, action in before.items():
        signal.signal(number, action)


@pytest.fixture(autouse=True, scope="session")
def one_clock() -> Iterator[None]:
    """Where a test travels in time, the database's host comes along."""
    patch = pytest.MonkeyPatch()
    patch.setattr(clock, "SHARED_CLOCK", clock.SharedClock(lambda: None))
    yield
    patch.undo()


@pytest.fixture(autouse=True, scope="session")
def only_listed_programs() -> None:
    sys.addaudithook(refuse_unlisted)


def _guarded(connect: Any) -> Any:
    """Any: what connect returns is its own affair."""

    def guarded(self: socket.socket, address: object) -> Any:
        if not is_local(self.family, address):
            raise NetworkRefused(f"a test wanted to connect to {address!r}")
        return connect(self, address)

    return guarded


@pytest.fixture(autouse=True, scope="session")
def roles_outlive_a_flush() -> Iterator[None]:
    """A test with transactions of its own empties every table behind itself, the roles' too.

    They come from a migration, which does not run again by itself.
    """
    post_migrate.connect(_create_roles)
    yield
    post_migrate.disconnect(_create_roles)


def _create_roles(app_config: AppConfig, using: str, **_: Any) -> None:
    # Sent for apps with models only: the site has none, its roles are about these. The alerts
    # come last.
    if app_config.name == "alerts":
        editor = SimpleNamespace(connection=connections[using])
        import_module("monitor.migrations.0001_roles").create_roles(apps, editor)
