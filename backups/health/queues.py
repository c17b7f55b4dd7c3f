"""Do so many messages wait in a queue already that more would be of no use?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kombu import Connection

# Of one queue. The rows say what is to be done: more messages only keep workers busy later.
MOST_MESSAGES = 1000


def full_queues(
    connection: Connection, queues: Iterable[str], *, most: int = MOST_MESSAGES
) -> set[str]:
    """Return those of ``queues`` with ``most`` messages or more; kombu's error without a broker."""
    connection.ensure_connection(max_retries=1, interval_start=1)
    return {queue for queue in queues if _count(connection, queue) >= most}


def _count(connection: Connection, queue: str) -> int:
    # Any: the type of a channel does not tell what every one of them can do.
    channel: Any = connection.default_channel
    try:
        return int(channel.queue_declare(queue, passive=True).message_count)
    except connection.channel_errors:
        # Some brokers know no queue that is empty.
        return 0
