"""What does receiving binlogs cost? python -m bench.binlog_receiver [SECTION…]

speed: processor seconds per megabyte of forged events. idle: memory and processor of 200 receivers
with nothing to do. acknowledge: commits per second of a private server without and with RPO 0.
Needs MariaDB, and for acknowledge a MySQL too (MOORING_TEST_MYSQL).
"""

from __future__ import annotations

import os
import sys

SECTIONS = ("speed", "idle", "acknowledge")
SMALL_TOTAL, LARGE_TOTAL = 200 << 20, 600 << 20
IDLE_INSTANCES, IDLE_SECONDS = 200, 60.0
WRITERS, WRITE_SECONDS = (4, 16), 10.0


def speed() -> list[str]:
    from bench.binlog_speed import LARGE, SMALL, receive_speed

    lines = []
    for name, shape, total in (("small", SMALL, SMALL_TOTAL), ("large", LARGE, LARGE_TOTAL)):
        cpu, wall = receive_speed(shape, total)
        rate = total / cpu / 1e6
        lines.append(f"speed, {name} events: {rate:.0f} MB per CPU second, {wall:.1f} s of wall")
    return lines


def idle() -> list[str]:
    from bench.binlog_fleet import idle_cost

    memory, share = idle_cost(IDLE_INSTANCES, IDLE_SECONDS)
    return [f"idle, {IDLE_INSTANCES} receivers: {memory:.0f} MiB, {100 * share:.1f} % of a core"]


def acknowledge() -> list[str]:
    from bench.binlog_fleet import commits_per_second
    from tests.live.binlog_source import FLAVOURS

    lines = []
    for flavour in FLAVOURS:
        for writers in WRITERS:
            without, with_it = (
                commits_per_second(flavour, writers, WRITE_SECONDS, acknowledged=acknowledged)
                for acknowledged in (False, True)
            )
            ratio = with_it / without
            lines.append(
                f"acknowledge, {flavour}, {writers} writers: {without:.0f} commits per second, "
                f"with RPO 0 {with_it:.0f}, {ratio:.2f} of it"
            )
    return lines


def main() -> int:
    # Before models are imported.
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    wanted = sys.argv[1:] or list(SECTIONS)
    if unknown := set(wanted) - set(SECTIONS):
        print(f"there is no section {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    for name in wanted:
        for line in {"speed": speed, "idle": idle, "acknowledge": acknowledge}[name]():
            print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
