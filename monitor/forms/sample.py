"""The form of the style guide, with every kind of field."""

from __future__ import annotations

from django import forms


class SampleForm(forms.Form):
    """A sample form; it is never submitted."""

    name = forms.CharField(help_text="Letters, digits, dots, dashes and underscores.")
    host = forms.CharField()
    port = forms.IntegerField(min_value=1, max_value=65535, initial=3306)
    kind = forms.ChoiceField(choices=[("full", "Full"), ("incremental", "Incremental")])
    note = forms.CharField(widget=forms.Textarea(attrs={"rows": 2}), required=False)
    enabled = forms.BooleanField(required=False, initial=True, help_text="Off: nothing runs.")
