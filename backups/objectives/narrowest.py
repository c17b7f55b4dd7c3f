"""Which objectives apply to an instance? The narrowest wins: instance, tag, group, all. Pure.

As for the settings of rules, of several of equal scope the newest wins. RPO and RTO are found each
by itself: an instance may have one of its own and inherit the other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class ObjectiveSetting:
    """What was set, and for which instances; without any of the three: for all."""

    id: int
    scope: str
    rpo: timedelta | None = None
    rto: timedelta | None = None
    instance_id: int | None = None
    tag_id: int | None = None
    group_id: int | None = None

    @property
    def width(self) -> int:
        """How wide its scope is."""
        for width, narrowed in enumerate((self.instance_id, self.tag_id, self.group_id)):
            if narrowed is not None:
                return width
        return 3


@dataclass(frozen=True, slots=True)
class Objective:
    """A length that applies, and the scope that sets it, in words."""

    length: timedelta
    scope: str


@dataclass(frozen=True, slots=True)
class Objectives:
    """What applies to an instance; None: no objective."""

    rpo: Objective | None = None
    rto: Objective | None = None


class ObjectiveBook:
    """The objectives of every instance."""

    def __init__(self, settings: Iterable[ObjectiveSetting] = ()) -> None:
        self._narrowest_first = sorted(settings, key=lambda each: (each.width, -each.id))

    def of(
        self, instance_id: int, tag_ids: Collection[int] = (), group_ids: Collection[int] = ()
    ) -> Objectives:
        """Return what applies to an instance with these tags and groups."""
        fitting = [
            each
            for each in self._narrowest_first
            if each.width == 3
            or each.instance_id == instance_id
            or each.tag_id in tag_ids
            or each.group_id in group_ids
        ]
        rpos = (Objective(each.rpo, each.scope) for each in fitting if each.rpo is not None)
        rtos = (Objective(each.rto, each.scope) for each in fitting if each.rto is not None)
        return Objectives(next(rpos, None), next(rtos, None))
