"""Who did what, newest first?"""

from __future__ import annotations

from dataclasses import dataclass

from backups.models import Activity, Instance, Job
from backups.models.activity import Verb

PAGE_SIZE = 50
LONGEST_CHOICE = 200


@dataclass(frozen=True, slots=True)
class Filters:
    """The requested filters; blank is everything."""

    who: str = ""
    what: str = ""
    instance: str = ""

    @property
    def chosen(self) -> dict[str, str]:
        values = {"who": self.who, "what": self.what, "instance": self.instance}
        return {name: text for name, text in values.items() if text}


@dataclass(frozen=True, slots=True)
class ActivityRow:
    """One row, with the targets of its links."""

    activity: Activity
    job_id: int | None
    instance: str
    details: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class ActivityPage:
    """A page of rows, and the key of the next older page; None at the end."""

    rows: list[ActivityRow]
    older: int | None


def load_activity(filters: Filters, before: int | None) -> ActivityPage:
    """Load rows older than row ``before``, by key: equally fast at any age."""
    rows = Activity.objects.order_by("-id")
    if filters.who:
        rows = rows.filter(actor=filters.who)
    if filters.what:
        rows = rows.filter(verb=filters.what)
    if filters.instance:
        rows = rows.filter(instance_name=filters.instance)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    shown = list(rows[: PAGE_SIZE + 1])
    more, shown = len(shown) > PAGE_SIZE, shown[:PAGE_SIZE]
    existing = set(
        Instance.objects.filter(name__in={row.instance_name for row in shown}).values_list(
            "name", flat=True
        )
    )
    return ActivityPage([_row(row, existing) for row in shown], shown[-1].pk if more else None)


def list_choices() -> dict[str, list[str]]:
    """Return the choices of the filters besides verbs: actors and instances."""
    actors = Activity.objects.order_by("actor").values_list("actor", flat=True).distinct()
    names = Activity.objects.exclude(instance_name="").order_by("instance_name")
    instances = names.values_list("instance_name", flat=True).distinct()
    return {"actors": list(actors[:LONGEST_CHOICE]), "instances": list(instances[:LONGEST_CHOICE])}


def verbs() -> list[tuple[str, str]]:
    return list(Verb.choices)


def _row(activity: Activity, existing: set[str]) -> ActivityRow:
    is_job = activity.kind == str(Job._meta.verbose_name)
    return ActivityRow(
        activity,
        activity.number if is_job else None,
        activity.instance_name if activity.instance_name in existing else "",
        [(str(name), _text(value)) for name, value in activity.details.items() if value],
    )


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
