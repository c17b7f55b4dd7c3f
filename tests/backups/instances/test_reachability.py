from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from backups.instances import reachability
from backups.instances.reachability import EVERY, probe_instances
from backups.models import Instance

pytestmark = pytest.mark.django_db
T0 = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port nobody listens on, and nobody else can take."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_an_instance_that_does_not_answer_is_unreachable_since_its_first_probe(
    deaf_port: int,
) -> None:
    Instance.objects.create(name="orders-1", port=deaf_port)
    assert probe_instances(T0) == 1
    assert probe_instances(T0 + EVERY) == 1
    orders = Instance.objects.get()
    assert (orders.unreachable_since, orders.seen_at) == (T0, None)
    assert "connection refused" in orders.unreachable_reason


def test_each_is_asked_when_its_turn_comes_and_the_disabled_never(deaf_port: int) -> None:
    Instance.objects.create(name="orders-1", port=deaf_port)
    Instance.objects.create(name="off", port=deaf_port, enabled=False)
    assert probe_instances(T0) == 1
    assert probe_instances(T0 + EVERY - timedelta(seconds=1)) == 0
    assert probe_instances(T0 + EVERY) == 1


def test_one_tick_asks_so_many_and_the_next_goes_on(
    deaf_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reachability, "MOST", 2)
    for n in range(5):
        Instance.objects.create(name=f"shop-{n}", port=deaf_port)
    assert [probe_instances(T0) for _ in range(4)] == [2, 2, 1, 0]
