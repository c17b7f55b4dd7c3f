"""Will the next runs fit their windows? For the instances and schedules of one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from backups.models import BackupSchedule, Instance
from backups.schedules.forecast import Fit, Forecast
from backups.schedules.forecasts import RunToCome, forecast_next, forecast_runs


@dataclass(frozen=True, slots=True)
class NamedForecast:
    """The forecast of one run, under the name of its instance or schedule."""

    name: str
    forecast: Forecast


@dataclass(frozen=True, slots=True)
class Forecasts:
    """Those of the instances on a page, and what is known of them."""

    shown: Sequence[NamedForecast]

    @property
    def unfit(self) -> Sequence[NamedForecast]:
        return [each for each in self.shown if each.forecast.will_not_fit]

    @property
    def summary(self) -> str:
        """The counts in words; blank without any instance."""
        counts = {fit: sum(each.forecast.fit is fit for each in self.shown) for fit in Fit}
        words = {Fit.FITS: "expected to fit", Fit.WILL_NOT_FIT: "not", Fit.UNKNOWN: "unknown"}
        return ", ".join(f"{counts[fit]} {word}" for fit, word in words.items() if counts[fit])


def forecasts_of_schedule(
    schedule: BackupSchedule, instances: Sequence[Instance], now: datetime
) -> Forecasts:
    """Forecast the next run of a schedule, for these of its instances."""
    found = forecast_next([(schedule, instance.pk) for instance in instances], now)
    return Forecasts(
        [
            NamedForecast(instance.name, each)
            for instance, each in zip(instances, found, strict=True)
        ]
    )


def forecasts_of_instance(
    instance: Instance, schedules: Sequence[BackupSchedule], now: datetime
) -> Forecasts:
    """Forecast the next run of each schedule of an instance."""
    found = forecast_next([(schedule, instance.pk) for schedule in schedules], now)
    return Forecasts(
        [
            NamedForecast(schedule.name, each)
            for schedule, each in zip(schedules, found, strict=True)
        ]
    )


def forecasts_of_draft(
    runs: Sequence[RunToCome], instances: Sequence[Instance], now: datetime
) -> Forecasts:
    """Forecast runs of a schedule that is being entered."""
    found = forecast_runs(runs, now)
    return Forecasts(
        [
            NamedForecast(instance.name, each)
            for instance, each in zip(instances, found, strict=True)
        ]
    )
