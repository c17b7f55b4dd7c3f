"""The Celery application: where tasks are found, which ticks run, who takes what."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from celery import Celery
from celery.signals import worker_ready, worker_shutdown

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
    "backups.tasks.expire_backups": 3600,
    "backups.tasks.forget_samples": 3600,
    "alerts.tasks.evaluate_changed": 10,
    "alerts.tasks.evaluate_all": 300,
    "alerts.tasks.dispatch_notifications": 10,
    "alerts.tasks.recheck_open_alerts": 60,
}
# A disk or a server that hangs must keep no tick waiting: what touches one has threads of its
# own, and a message that would come too late is dropped.
OUTSIDE_EVERY_SECONDS = {
    "backups.tasks.clear_up": 10,
    "backups.tasks.probe_instances": 10,
    "backups.tasks.measure_repositories": 300,
    "backups.tasks.prove_keys": 60,
    "alerts.tasks.ping_dead_man_switch": 60,
    "backups.tasks.prune_history": 3600,
    "alerts.tasks.prune_alerts": 3600,
}


def _plan(ticks: Mapping[str, int], **options: object) -> dict[str, dict[str, object]]:
    """Return beat's entries, under the names that the ticks write down when they run."""
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
    **_plan(OUTSIDE_EVERY_SECONDS, queue="outside", expires=60),
}


@worker_ready.connect
def say_hello(sender: Any, **_: Any) -> None:
    """Have every worker say that it is there. Any: Celery passes its consumer, untyped."""
    # Models can be imported only now that Django is set up.
    from backups.health.workers import start_heartbeat

    start_heartbeat(sender.hostname, app.amqp.queues.consume_from)


@worker_shutdown.connect
def say_goodbye(**_: Any) -> None:
    from backups.health.workers import stop_heartbeat

    stop_heartbeat()
