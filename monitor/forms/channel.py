"""The form of a channel, with the fields of its kind; secrets can be set but are never shown."""

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
    """The name of a channel, and the settings of its kind."""

    class Meta:
        model = Channel
        fields = ["name", "enabled"]
        help_texts = {"enabled": "Off: nothing is sent. Queued notifications stay queued."}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.kind: ChannelKind = CHANNELS[self.instance.kind]
        self.new = self.instance.pk is None
        for field in self.kind.fields:
            self.fields[f"{PREFIX}{field.name}"] = self._field(field)

    def values(self) -> Iterator[BoundField]:
        """Yield the fields of the kind."""
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
            # Sets the values on the row; the caller saves it if the form is valid.
            configure(self.instance, given)
        except BadInput as exc:
            text = str(exc)
            raise ValidationError(f"{text[:1].upper()}{text[1:]}. {exc.hint}".strip()) from None
        return cleaned

    def store(self) -> Channel:
        """Save; enabling a channel clears the fault that disabled it."""
        if self.instance.enabled:
            self.instance.disabled_reason, self.instance.disabled_at = "", None
        saved: Channel = self.save()
        return saved

    def _field(self, field: Field) -> forms.Field:
        stored = field.secret and not self.new
        hint = f"{field.hint} Blank keeps the present value.".strip() if stored else field.hint
        shared: dict[str, Any] = {
            "label": field.label,
            "help_text": hint,
            "required": field.required and not stored,
        }
        if not field.secret:
            shared["initial"] = self.instance.settings.get(field.name, field.default)
        if field.kind == "choice":
            return forms.ChoiceField(choices=field.choices, **shared)
        return forms.CharField(widget=_widget(field), strip=not field.secret, **shared)


def _widget(field: Field) -> forms.Widget:
    attributes = {"autocomplete": "new-password", "spellcheck": "false", "autocapitalize": "none"}
    if field.secret and field.kind == "lines":
        # Not sent back after an error either.
        return BlankTextarea(attrs={"rows": 3, **attributes})
    if field.secret:
        return forms.PasswordInput(attrs=attributes)
    if field.kind == "lines":
        return forms.Textarea(attrs={"rows": 3, "spellcheck": "false"})
    return forms.NumberInput() if field.kind == "number" else forms.TextInput()


class BlankTextarea(forms.Textarea):
    """A text area that never shows its value."""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        return super().get_context(name, None, attrs)
