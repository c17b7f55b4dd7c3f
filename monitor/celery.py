"""The Celery application: where tasks are found, which ticks run, who takes what."""

from __future__ import annotations

import os

from celery import Celery

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
    "probe instances": {"task": "backups.tasks.probe_instances", "schedule": 10},
    "measure repositories": {"task": "backups.tasks.measure_repositories", "schedule": 300},
    "prove keys": {"task": "backups.tasks.prove_keys", "schedule": 60},
    "evaluate changed": {"task": "alerts.tasks.evaluate_changes", "schedule": 10},
    "evaluate all": {"task": "alerts.tasks.evaluate_fleet", "schedule": 300},
    "tell people": {"task": "alerts.tasks.tell_people", "schedule": 10},
    "tell what stands": {"task": "alerts.tasks.tell_what_stands", "schedule": 60},
    "ping outside": {"task": "alerts.tasks.ping_outside", "schedule": 60},
}
