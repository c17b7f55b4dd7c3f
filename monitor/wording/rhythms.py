"""When does a schedule run, in words? A rhythm without a short description is shown as entered.

Pure: no clock, no database.
"""

from __future__ import annotations

import re

from backups.schedule import FIELDS, Rhythm

_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_SHORT = {name[:3].upper(): number for number, name in enumerate(_DAYS)}
_WORKDAYS, _WEEKEND = {1, 2, 3, 4, 5}, {0, 6}


def rhythm_in_words(rhythm: Rhythm) -> str:
    """Return ``every day at 02:30``, ``every 6 h``, or the cron expression itself.

    With full backups between: ``every day at 02:30; full: Sunday at 02:30``.
    """
    usual = _usual_in_words(rhythm)
    if not rhythm.full_cron:
        return usual
    return f"{usual}; full: {_cron_in_words(rhythm.full_cron) or f'cron {rhythm.full_cron}'}"


def _usual_in_words(rhythm: Rhythm) -> str:
    if rhythm.every_hours is not None:
        return "every hour" if rhythm.every_hours == 1 else f"every {rhythm.every_hours} h"
    return _cron_in_words(rhythm.cron) or f"cron {rhythm.cron}"


def _cron_in_words(cron: str) -> str:
    words = cron.split()
    if len(words) != FIELDS or words[3] != "*":
        return ""
    minute, hour, day, _, weekday = words
    when, on = _times(minute, hour), _days(day, weekday)
    if not when or not on:
        return ""
    if when.startswith("every"):
        return when if on == "every day" else f"{when}, {on}"
    return f"{on} at {when}"


def _times(minute: str, hour: str) -> str:
    if (step := re.fullmatch(r"\*/(\d+)", minute)) and hour == "*":
        return f"every {step[1]} min"
    if not minute.isdigit():
        return "every minute" if (minute, hour) == ("*", "*") else ""
    if hour == "*":
        return f"every hour at :{int(minute):02}"
    if step := re.fullmatch(r"\*/(\d+)", hour):
        return f"every {step[1]} h at :{int(minute):02}"
    if not re.fullmatch(r"\d+(,\d+)*", hour):
        return ""
    return _listed([f"{int(text):02}:{int(minute):02}" for text in hour.split(",")])


def _days(day: str, weekday: str) -> str:
    if day == "*":
        return _weekdays(weekday)
    if weekday != "*" or not re.fullmatch(r"\d+(,\d+)*|L", day):
        return ""
    return (
        "the last day of each month"
        if day == "L"
        else f"day {_listed(day.split(','))} of each month"
    )


def _weekdays(weekday: str) -> str:
    if weekday == "*":
        return "every day"
    numbers: set[int] = set()
    for part in weekday.upper().split(","):
        ends = [_SHORT.get(end, int(end) if end.isdigit() else -1) for end in part.split("-")]
        if len(ends) > 2 or not all(0 <= end <= 7 for end in ends) or ends[0] > ends[-1]:
            return ""
        numbers |= {number % 7 for number in range(ends[0], ends[-1] + 1)}
    if numbers == _WORKDAYS:
        return "Monday to Friday"
    if numbers == _WEEKEND:
        return "Saturday and Sunday"
    if len(numbers) == 7:
        return "every day"
    return _listed([_DAYS[number] for number in sorted(numbers, key=lambda number: number or 7)])


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
