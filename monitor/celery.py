"""The Celery application: where tasks are found, which ticks run, who takes what."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import worker_ready, worker_shutdown

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "monitor.settings")

app = Celery("mooring")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# Every entry is safe to run late, twice, or at the same time as itself: the ticks
# look at the database and do what is due, they do not assume the last tick ran.
app.conf.beat_schedule = {
    "fail lost jobs": {"task": "backups.tasks.fail_lost_jobs", "schedule": 10},
    "read histories": {"task": "backups.tasks.read_histories", "schedule": 15},
    "wake waiting jobs": {"task": "backups.tasks.wake_waiting_jobs", "schedule": 10},
    "plan occurrences": {"task": "backups.tasks.plan_occurrences", "schedule": 10},
    "expire backups": {"task": "backups.tasks.expire_backups", "schedule": 3600},
    "tell people": {"task": "alerts.tasks.tell_people", "schedule": 10},
    "tell what stands": {"task": "alerts.tasks.tell_what_stands", "schedule": 60},
    "ping outside": {"task": "alerts.tasks.ping_outside", "schedule": 60},
    "probe instances": {"task": "backups.tasks.probe_instances", "schedule": 10},
    "measure repositories": {"task": "backups.tasks.measure_repositories", "schedule": 300},
    "prove keys": {"task": "backups.tasks.prove_keys", "schedule": 60},
    "evaluate changed": {"task": "alerts.tasks.evaluate_changes", "schedule": 10},
    "evaluate all": {"task": "alerts.tasks.evaluate_fleet", "schedule": 300},
}


@worker_ready.connect
def say_hello(sender: Any, **_: Any) -> None:
    """Have every worker say that it is there. Any: Celery passes its consumer, untyped."""
    # Models can be imported only now that Django is set up.
    from backups.workers import start_beating

    start_beating(sender.hostname, app.amqp.queues.consume_from)


@worker_shutdown.connect
def say_goodbye(**_: Any) -> None:
    from backups.workers import stop_beating

    stop_beating()
