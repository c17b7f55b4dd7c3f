"""The Celery application: where tasks are found, which ticks run and how often."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Mapping
from typing import Any

from celery import Celery
from celery.signals import worker_init, worker_ready, worker_shutdown, worker_shutting_down

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "monitor.settings")

app = Celery("mooring")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# Every tick is safe to run late, twice, or at the same time as itself: the ticks look at the
# database and do what is due, they do not assume the last tick ran.
EVERY_SECONDS = {
    "backups.tasks.plan_occurrences": 10,
    "backups.tasks.wake_waiting_jobs": 10,
    "backups.tasks.fail_lost_jobs": 10,
    "backups.tasks.read_histories": 15,
    "backups.tasks.judge_instances": 5,
    "backups.tasks.forget_samples": 3600,
    "alerts.tasks.evaluate_changed": 10,
    "backups.tasks.consolidate_chains": 600,
    "backups.tasks.copy_wanted": 60,
    "alerts.tasks.evaluate_all": 300,
    "alerts.tasks.dispatch_notifications": 10,
    "alerts.tasks.recheck_open_alerts": 60,
}
# A disk or a server that hangs must keep no tick waiting: what touches one is kept apart.
OUTSIDE_EVERY_SECONDS = {
    "backups.tasks.clear_up": 10,
    "backups.tasks.run_owed_hooks": 10,
    "backups.tasks.probe_instances": 10,
    "backups.tasks.measure_repositories": 300,
    "backups.tasks.check_copies": 60,
    "backups.tasks.check_segments": 60,
    "backups.tasks.judge_recoverability": 60,
    "backups.tasks.judge_objectives": 60,
    "backups.tasks.check_repositories": 300,
    "alerts.tasks.ping_dead_man_switch": 60,
    "backups.tasks.expire_backups": 3600,
    "backups.tasks.expire_binlogs": 3600,
    "backups.tasks.renew_locks": 600,
    "backups.tasks.prune_history": 3600,
    "backups.tasks.verify_evidence": 600,
    "alerts.tasks.prune_alerts": 3600,
}


def _plan(ticks: Mapping[str, int], **options: object) -> dict[str, dict[str, object]]:
    """Return the plan's entries, under the names that the ticks write down when they run."""
    return {
        task.rpartition(".")[2].replace("_", " "): {
            "task": task,
            "schedule": seconds,
            "options": options,
        }
        for task, seconds in ticks.items()
    }


app.conf.beat_schedule = {
    **_plan(EVERY_SECONDS),
    **_plan(OUTSIDE_EVERY_SECONDS, queue="outside"),
}


@worker_init.connect
def share_memory(**_: Any) -> None:
    """Keep the collector from what is loaded: where it looks, a forked process copies the page."""
    gc.collect()
    gc.freeze()


@worker_ready.connect
def start_worker_heartbeat(sender: Any, **_: Any) -> None:
    """Start the heartbeat of every worker. Any: Celery passes its consumer, untyped."""
    # Models can be imported only now that Django is set up.
    from backups.health.workers import start_heartbeat

    start_heartbeat(sender.hostname, app.amqp.queues.consume_from)


@worker_shutting_down.connect
def stop_waiting(**_: Any) -> None:
    """Have a worker that is asked to end do so at once, not when its wait for messages is over.

    In a thread: this is called by a signal, in the middle of anything.
    """
    threading.Thread(target=end_wait, name="end wait", daemon=True).start()


def end_wait() -> None:
    """Have the broker answer at once what this process waits for."""
    name = app.conf.broker_transport_options["client_name"]
    with app.connection_for_write() as connection:
        # Any: the type of a channel does not tell that it is one of Redis.
        channel: Any = connection.default_channel
        with channel.conn_or_acquire() as redis:
            for client in redis.client_list():
                if client["name"] == name and client["cmd"] == "brpop":
                    redis.client_unblock(int(client["id"]))


@worker_shutdown.connect
def stop_worker_heartbeat(**_: Any) -> None:
    from backups.health.workers import stop_heartbeat

    stop_heartbeat()
