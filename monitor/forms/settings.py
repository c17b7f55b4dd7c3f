"""The forms of repositories and groups."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms import BoundField

from backups.admin.bases import ModelForm
from backups.admin.repository import SECRET_FIELDS, RepositoryForm
from backups.models import Instance, InstanceGroup
from backups.models.object_lock import OBJECT_LOCK_COLUMNS
from backups.models.object_store import OBJECT_STORE_COLUMNS
from backups.models.prices import PRICE_COLUMNS
from backups.models.repository import PURGE_DELAY
from backups.models.retention import RETENTION_COLUMNS
from backups.models.sftp import SFTP_COLUMNS
from monitor.forms.fields import LengthField
from monitor.forms.retention import RETENTION_HELP, RETENTION_LABELS, keep_for_field

NAMES_SHOWN = 5
OBJECT_STORE_FIELDS = (*OBJECT_STORE_COLUMNS, *SECRET_FIELDS, *OBJECT_LOCK_COLUMNS)


class RepositorySettingsForm(RepositoryForm):
    """The form of the Django admin: saving a new one initialises the folder or bucket."""

    keep_for = keep_for_field()
    purge_delay = LengthField(
        help_text="A copy that is to be deleted stays restorable for so long, and its deletion can "
        "be undone. 0s: it is deleted at once.",
        initial=PURGE_DELAY,
    )

    class Meta(RepositoryForm.Meta):
        labels = dict(RETENTION_LABELS)
        help_texts = dict(RETENTION_HELP)

    def __init__(self, *args: Any, **words: Any) -> None:  # Any: passed through.
        super().__init__(*args, **words)
        self.fields["path"].help_text = (
            "Absolute path on the worker's host, a new or empty folder; s3://bucket/prefix, "
            "gs://bucket/prefix or az://account/container/prefix; sftp://user@host:port/path; or "
            "media:name/prefix."
        )

    def settings_fields(self) -> list[BoundField]:
        """Return the fields beside those of the retention, the prices and a kind of place."""
        others = {*RETENTION_COLUMNS, *OBJECT_STORE_FIELDS, *SFTP_COLUMNS, *PRICE_COLUMNS}
        return [field for field in self.visible_fields() if field.name not in others]

    def object_store_fields(self) -> list[BoundField]:
        return [self[name] for name in OBJECT_STORE_FIELDS]

    def sftp_fields(self) -> list[BoundField]:
        return [self[name] for name in SFTP_COLUMNS]

    def price_fields(self) -> list[BoundField]:
        return [self[name] for name in PRICE_COLUMNS]

    def retention_fields(self) -> list[BoundField]:
        return [self[name] for name in RETENTION_COLUMNS]


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
