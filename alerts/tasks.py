"""Celery's doorways of the messenger. Every task is safe to run twice, late or never."""

from __future__ import annotations

from celery import shared_task
from django.utils.timezone import now

from alerts.evaluate import evaluate_all, evaluate_changed
from backups.ticks import ticking


@shared_task(ignore_result=True)
def evaluate_changes() -> None:
    """Ask the rules about what something happened to."""
    with ticking("evaluate changed"):
        evaluate_changed(now())


@shared_task(ignore_result=True)
def evaluate_fleet() -> None:
    """Ask the rules about everything."""
    with ticking("evaluate all"):
        evaluate_all(now())
