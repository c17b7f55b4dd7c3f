"""Messages do not pile up while jobs wait for hours."""

from __future__ import annotations

from uuid import uuid4

from kombu import Connection

from backups.health.queues import full_queues


def test_a_queue_is_full_from_its_limit_on() -> None:
    queue, unknown = f"copy-{uuid4()}", f"transfer-{uuid4()}"
    with Connection("memory://") as connection:
        messages = connection.SimpleQueue(queue)
        for expected in (set(), {queue}, {queue}):
            messages.put("wake up")
            assert full_queues(connection, [queue, unknown], most=2) == expected
        messages.clear()
        assert full_queues(connection, [queue, unknown], most=2) == set()
