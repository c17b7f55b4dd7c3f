"""Who changed what on the pages? The one place every change made there passes through."""

from __future__ import annotations

import enum
import logging
from collections.abc import Mapping

from django.db.models import Model
from django.http import HttpRequest

from monitor.views.requests import asking_user

logger = logging.getLogger(__name__)


class Act(enum.StrEnum):
    """What a person did."""

    ADDED = "added"
    CHANGED = "changed"
    DELETED = "deleted"
    PAUSED = "paused"
    RESUMED = "resumed"
    STARTED = "started"
    ACKNOWLEDGED = "acknowledged"
    ENDED = "ended"
    TESTED = "tested"


def record_change(
    request: HttpRequest,
    act: Act,
    subject: Model,
    details: Mapping[str, object] | None = None,
) -> None:
    """Keep that somebody changed ``subject``. Names of fields only: never a secret."""
    logger.info(
        "%s %s %s %s %s",
        asking_user(request).get_username(),
        act,
        subject._meta.verbose_name,
        subject,
        dict(details or {}),
    )
