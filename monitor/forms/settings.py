"""The form of a group."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from backups.admin.bases import ModelForm
from backups.models import Instance, InstanceGroup

NAMES_SHOWN = 5


class GroupForm(ModelForm):
    """A group and its instances, as names: a fleet may have thousands."""

    members = forms.CharField(
        label="Instances",
        required=False,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false"}),
        help_text="Names, one per line.",
    )

    class Meta:
        model = InstanceGroup
        fields = ["name", "description"]

    def __init__(self, *args: Any, **words: Any) -> None:  # Any: passed through.
        super().__init__(*args, **words)
        if self.instance.pk:
            names = self.instance.instances.values_list("name", flat=True)
            self.initial["members"] = "\n".join(names)

    def clean_members(self) -> list[Instance]:
        names = set(self.cleaned_data["members"].split())
        members = list(Instance.objects.filter(name__in=names))
        if missing := sorted(names - {instance.name for instance in members}):
            shown = ", ".join(missing[:NAMES_SHOWN])
            raise ValidationError(f"Unknown instance: {shown}.")
        return members

    def save(self, commit: bool = True) -> InstanceGroup:
        group: InstanceGroup = super().save(commit)
        group.instances.set(self.cleaned_data["members"])
        return group
