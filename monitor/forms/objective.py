"""The form of a recovery objective."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms import BoundField

from backups.admin.bases import ModelForm
from backups.models import InstanceGroup, RecoveryObjective, Tag
from monitor.forms.fields import LengthField, NamesField

SCOPES = ("group", "tag", "instance_names")


# Any in this module: what Django hands to forms.
class ObjectiveForm(ModelForm):
    """What may be lost and how long a recovery may take, for all instances or a part of them."""

    group = forms.ModelChoiceField(
        InstanceGroup.objects.all(), required=False, to_field_name="name", empty_label="None"
    )
    tag = forms.ModelChoiceField(
        Tag.objects.all(), required=False, to_field_name="name", empty_label="None"
    )
    instance_names = NamesField(label="Instance", required=False, widget=forms.TextInput)
    rpo = LengthField(
        label="Recovery point objective (RPO)",
        required=False,
        help_text="How much may be lost at most. Blank: as the wider scope has it.",
    )
    rto = LengthField(
        label="Recovery time objective (RTO)",
        required=False,
        help_text="How long a recovery may take at most. Blank: as the wider scope has it.",
    )

    class Meta:
        model = RecoveryObjective
        fields = ["group", "tag", "rpo", "rto"]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        row = self.instance
        self.initial["instance_names"] = [row.instance] if row.instance_id else None
        for name in ("group", "tag"):
            chosen = getattr(row, name)
            self.initial[name] = chosen.name if chosen else None

    def scope(self) -> Iterator[BoundField]:
        for name in SCOPES:
            yield self[name]

    def lengths(self) -> Iterator[BoundField]:
        yield self["rpo"]
        yield self["rto"]

    def clean_instance_names(self) -> Any:
        instances = self.cleaned_data["instance_names"]
        if len(instances) > 1:
            raise ValidationError("Enter one instance; for several, use a group or a tag.")
        return instances[0] if instances else None

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        if sum(1 for name in SCOPES if cleaned.get(name)) > 1:
            raise ValidationError("Set at most one of group, tag and instance.")
        self.instance.instance = cleaned.get("instance_names")
        if not self.errors:
            self._refuse_second(cleaned)
        return cleaned

    def _refuse_second(self, cleaned: dict[str, Any]) -> None:
        same = RecoveryObjective.objects.filter(
            group=cleaned.get("group"),
            tag=cleaned.get("tag"),
            instance=cleaned.get("instance_names"),
        )
        if same.exclude(pk=self.instance.pk).exists():
            raise ValidationError("An objective of this scope already exists: edit that one.")
