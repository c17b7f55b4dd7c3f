"""Does a queue already hold so many messages that more would be useless?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kombu import Connection

# Per queue. Work is recorded in rows: more messages would only keep workers busy later.
MOST_MESSAGES = 1000


def full_queues(
    connection: Connection, queues: Iterable[str], *, most: int = MOST_MESSAGES
) -> set[str]:
    """Return those of ``queues`` with ``most`` messages or more; kombu's error without a broker."""
    connection.ensure_connection(max_retries=1, interval_start=1)
    return {queue for queue in queues if _count(connection, queue) >= most}


def _count(connection: Connection, queue: str) -> int:
    # Any: kombu's channel types do not share an interface for this.
    channel: Any = connection.default_channel
    try:
        return int(channel.queue_declare(queue, passive=True).message_count)
    except connection.channel_errors:
        # Some brokers have no queue until its first message.
        return 0
