"""What do the queries for facts share: how far back they look, and what they return?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet

from alerts.facts.belonging import Belonging

# Older failures and missed runs are read only while their alert is open.
HORIZON = timedelta(days=90)
Belongings = Mapping[int, Belonging]
# Any: columns have different types.
Columns = Mapping[str, Any]


def read_columns(rows: QuerySet[Any], *names: str) -> list[Columns]:
    """Read columns of rows; names may follow relations."""
    return list(rows.values(*names))
