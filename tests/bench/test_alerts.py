"""Does the measurement of the rules run? Its figures are of no interest here."""

from __future__ import annotations

import pytest

from alerts.models import Alert
from bench.alerts import measure


@pytest.mark.django_db
def test_a_small_fleet_is_filled_and_measured() -> None:
    figures = measure(instances=3, days=2)
    assert len(figures) == 5
    assert Alert.objects.filter(rule="backup_succeeded").count() == 3
