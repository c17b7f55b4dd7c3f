"""What do queries for facts have in common: how far back they look, and what they return."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet

from alerts.facts.belonging import Belonging

# What failed or was missed before that is only looked at while its alert stands.
HORIZON = timedelta(days=90)
Belongings = Mapping[int, Belonging]
# Any: a column holds whatever its field does.
Columns = Mapping[str, Any]


def read_columns(rows: QuerySet[Any], *names: str) -> list[Columns]:
    """Read some columns of some rows; names may reach into related rows."""
    return list(rows.values(*names))
