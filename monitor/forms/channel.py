"""The form of a channel, drawn from what its kind asks for; secrets go in and never come out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms import BoundField

from alerts.delivery.channels import CHANNELS, configure
from alerts.delivery.channels.base import ChannelKind, Field
from alerts.models import Channel
from backups.admin.bases import ModelForm
from backups.exceptions import BadInput

PREFIX = "value_"


# Any in this module: what Django hands to forms.
class ChannelForm(ModelForm):
    """A name, and whatever the kind of the channel asks for."""

    class Meta:
        model = Channel
        fields = ["name", "enabled"]
        help_texts = {"enabled": "Off: nothing is sent. What waits goes out when it is on again."}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.kind: ChannelKind = CHANNELS[self.instance.kind]
        self.new = self.instance.pk is None
        for field in self.kind.fields:
            self.fields[f"{PREFIX}{field.name}"] = self._field(field)

    def values(self) -> Iterator[BoundField]:
        """The fields of the kind."""
        for field in self.kind.fields:
            yield self[f"{PREFIX}{field.name}"]

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        given = {
            field.name: str(cleaned.get(f"{PREFIX}{field.name}") or "")
            for field in self.kind.fields
        }
        try:
            # Onto the row, not into the database: the caller saves it where all is well.
            configure(self.instance, given)
        except BadInput as exc:
            text = str(exc)
            raise ValidationError(f"{text[:1].upper()}{text[1:]}. {exc.hint}".strip()) from None
        return cleaned

    def store(self) -> Channel:
        """Save; what was switched off for a fault begins anew when it is switched on."""
        if self.instance.enabled:
            self.instance.disabled_reason, self.instance.disabled_at = "", None
        saved: Channel = self.save()
        return saved

    def _field(self, field: Field) -> forms.Field:
        kept = field.secret and not self.new
        hint = f"{field.hint} Left blank, the present one stays.".strip() if kept else field.hint
        shared: dict[str, Any] = {
            "label": field.label,
            "help_text": hint,
            "required": field.required and not kept,
        }
        if not field.secret:
            shared["initial"] = self.instance.settings.get(field.name, field.default)
        if field.kind == "choice":
            return forms.ChoiceField(choices=field.choices, **shared)
        return forms.CharField(widget=_widget(field), strip=not field.secret, **shared)


def _widget(field: Field) -> forms.Widget:
    quiet = {"autocomplete": "new-password", "spellcheck": "false", "autocapitalize": "none"}
    if field.secret and field.kind == "lines":
        # What was typed before an error is not sent back either.
        return BlankTextarea(attrs={"rows": 3, **quiet})
    if field.secret:
        return forms.PasswordInput(attrs=quiet)
    if field.kind == "lines":
        return forms.Textarea(attrs={"rows": 3, "spellcheck": "false"})
    return forms.NumberInput() if field.kind == "number" else forms.TextInput()


class BlankTextarea(forms.Textarea):
    """A text area that never shows what is in it."""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        return super().get_context(name, None, attrs)
