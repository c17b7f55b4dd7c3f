"""Fields that several forms share: lengths of time, timestamps, names of instances."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError

from backups.exceptions import BadInput
from backups.models import Instance
from backups.table_names.choice import parse_choice, pattern_lines
from monitor.configuration.values import format_length, parse_length

MAX_UNKNOWN = 5
if TYPE_CHECKING:
    # Generic for the type checker alone.
    ModelMultipleChoiceField = forms.ModelMultipleChoiceField[Any]
else:
    ModelMultipleChoiceField = forms.ModelMultipleChoiceField


# Any in this module: what Django hands to fields and widgets.
class LengthField(forms.CharField):
    """A length of time such as 90s, 15m, 4h or 14d. Blank is None."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.widget.attrs.setdefault("placeholder", "for example 90s, 15m, 4h or 14d")
        self.widget.attrs.setdefault("autocomplete", "off")

    def prepare_value(self, value: Any) -> Any:
        return format_length(value) if isinstance(value, timedelta) else value

    def to_python(self, value: Any) -> Any:
        if isinstance(value, timedelta):
            return value
        text = super().to_python(value)
        if not text:
            return None
        try:
            return parse_length(text)
        except (BadInput, OverflowError) as exc:
            hint = getattr(exc, "hint", "")
            raise ValidationError(f"This is not a length of time. {hint}".strip()) from None

    def clean(self, value: Any) -> Any:
        length = self.to_python(value)
        if length is None and self.required:
            raise ValidationError(self.error_messages["required"], code="required")
        return length


class NamesField(forms.CharField):
    """Names of instances, separated by spaces, commas or lines: a fleet is too long for a list."""

    widget = forms.Textarea(attrs={"rows": 2, "spellcheck": "false", "autocapitalize": "none"})

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, str) or value is None:
            return value
        return "\n".join(str(instance) for instance in value)

    def clean(self, value: Any) -> Any:
        names = dict.fromkeys(re.split(r"[\s,]+", super().clean(value).strip()))
        names.pop("", None)
        instances = {row.name: row for row in Instance.objects.filter(name__in=names)}
        unknown = [name for name in names if name not in instances]
        if unknown:
            more = f" and {len(unknown) - MAX_UNKNOWN} more" if len(unknown) > MAX_UNKNOWN else ""
            raise ValidationError(f"Unknown instance: {', '.join(unknown[:MAX_UNKNOWN])}{more}.")
        return [instances[name] for name in names]


class PatternsField(forms.CharField):
    """Patterns of tables, one in each line."""

    widget = forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "autocapitalize": "none"})

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, **options)

    def clean(self, value: Any) -> Any:
        patterns = pattern_lines(super().clean(value))
        try:
            parse_choice(patterns, ())
        except BadInput as exc:
            raise ValidationError(f"{str(exc).capitalize()}. {exc.hint}".strip()) from None
        return patterns


class TimestampField(forms.DateTimeField):
    """A timestamp in the user's time zone."""

    def __init__(self, **options: Any) -> None:
        options.setdefault(
            "widget",
            forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        )
        super().__init__(**options)


class CheckboxesField(ModelMultipleChoiceField):
    """A multiple choice of few values, as checkboxes."""

    widget = forms.CheckboxSelectMultiple
