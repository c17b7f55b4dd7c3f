"""How long is it from the end of a job until somebody's mail server has the message?

    .mooring/venv/bin/python -m bench.latency [--rounds 10]

A whole Mooring as ``./mooring up`` runs it, with its default ticks, a private MariaDB and an SMTP
server with STARTTLS and a login. In each round an instance of its own fails a backup and, once that
was notified, succeeds, at random moments between two ticks; both messages are timed.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from backups.programs.private_server import PrivateServer, ServerOptions, initialise
from bench.arguments import count

if TYPE_CHECKING:
    from tests.alerts.mailbox import Mailbox
    from tests.live.mooring_site import Site

TARGET_SECONDS = 20
# The longest time between two ticks that have to do with it.
TICK_SECONDS = 10
PATIENCE_SECONDS = 120


class Rounds:
    """Has backups fail and succeed, and reads when their messages came."""

    def __init__(self, site: Site, box: Mailbox, server: PrivateServer) -> None:
        self._site, self._box, self._server = site, box, server
        self._chance = random.Random(7)

    def run(self, number: int) -> tuple[float, float]:
        """Return the seconds it took to tell a failure, and its end."""
        name = f"bank-{number}"
        # A missing privilege would be a refusal, and one that a person requested raises no alert.
        self._execute("ALTER USER celery@'%' ACCOUNT LOCK")
        failed = self._timed(name, "failed")
        self._execute("ALTER USER celery@'%' ACCOUNT UNLOCK")
        return failed, self._timed(name, "succeeded")

    def _timed(self, name: str, expected: str) -> float:
        time.sleep(self._chance.uniform(0, TICK_SECONDS))
        before = self._count(name)
        status = self._site.manage("takebackup", name)["status"]
        assert status == expected, f"the backup of {name} {status}"
        until = time.monotonic() + PATIENCE_SECONDS
        while self._count(name) == before:
            assert time.monotonic() < until, f"no message about {name} came"
            time.sleep(0.05)
        sql = "SELECT ended_at FROM backups_job ORDER BY id DESC LIMIT 1"
        ended_at = datetime.fromisoformat(str(self._site.rows(sql)[0][0])).replace(tzinfo=UTC)
        return (self._arrived(name)[-1] - ended_at).total_seconds()

    def _count(self, name: str) -> int:
        return len(self._arrived(name))

    def _arrived(self, name: str) -> list[datetime]:
        both = zip(self._box.messages, self._box.arrived_at, strict=False)
        return [at for message, at in both if f"{name}:" in str(message["Subject"])]

    def _execute(self, statement: str) -> None:
        with self._server.connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement)


@contextmanager
def whole_mooring(rounds: int) -> Iterator[Rounds]:
    """Run everything, with an instance for each round."""
    from scripts.up import running
    from tests.alerts.mailbox import mailbox
    from tests.live.mooring_site import PASSWORD, private_site
    from tests.live.server import LiveServer, free_port
    from tests.live.test_alert_mail import add_channel

    with tempfile.TemporaryDirectory(prefix="latency-") as text:
        folder = Path(text)
        initialise(folder / "data")
        settings = ServerOptions(port=free_port(), server_id=1, binlog=True)
        with PrivateServer(folder / "data", settings) as server, mailbox(folder) as box:
            live = LiveServer(server, "127.0.0.1", settings.port or 0)
            trusted, port = str(folder / "ca.pem"), str(free_port())
            with private_site(live, throttle=0, SSL_CERT_FILE=trusted, MOORING_PORT=port) as site:
                add_channel(site, box)
                secret = folder / "password"
                secret.write_text(PASSWORD)
                words = ["--socket", live.socket, "--user", "celery"]
                words += ["--password-file", str(secret)]
                for number in range(2, rounds + 1):
                    site.manage("addinstance", f"bank-{number}", *words)
                with running(os.environ | site.environment):
                    yield Rounds(site, box, server)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=count, default=10)
    options = parser.parse_args(argv)
    measured: dict[str, list[float]] = {"a failure": [], "its end": []}
    with whole_mooring(options.rounds) as rounds:
        for number in range(1, options.rounds + 1):
            failed, ended = rounds.run(number)
            measured["a failure"].append(failed)
            measured["its end"].append(ended)
            print(f"round {number}: {failed:.1f} s, {ended:.1f} s", flush=True)
    for what, seconds in measured.items():
        verdict = "met" if max(seconds) <= TARGET_SECONDS else "not met"
        print(
            f"{what:10} median {statistics.median(seconds):5.1f} s, from {min(seconds):.1f} to "
            f"{max(seconds):.1f} s; target {TARGET_SECONDS} s {verdict}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
