"""Which objectives are set, and which apply to these instances? In three queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping

from backups.models import Instance, RecoveryObjective
from backups.objectives.narrowest import ObjectiveBook, Objectives, ObjectiveSetting


def load_objectives(ids: Collection[int]) -> Mapping[int, Objectives]:
    """Return what applies to each of these instances."""
    rows = RecoveryObjective.objects.select_related("instance", "tag", "group").order_by("id")
    book = ObjectiveBook(
        ObjectiveSetting(
            row.pk, row.scope, row.rpo, row.rto, row.instance_id, row.tag_id, row.group_id
        )
        for row in rows
    )
    tags: defaultdict[int, set[int]] = defaultdict(set)
    groups: defaultdict[int, set[int]] = defaultdict(set)
    tagged = Instance.tags.through._default_manager.filter(instance_id__in=ids)
    for instance_id, tag_id in tagged.values_list("instance_id", "tag_id"):
        tags[instance_id].add(tag_id)
    members = Instance.groups.through._default_manager.filter(instance_id__in=ids)
    for instance_id, group_id in members.values_list("instance_id", "instancegroup_id"):
        groups[instance_id].add(group_id)
    return {pk: book.of(pk, tags[pk], groups[pk]) for pk in ids}
