"""The form of a hold."""

from __future__ import annotations

from django import forms

from backups.retention.holds import REASON_LENGTH
from monitor.forms.fields import TimestampField


class HoldForm(forms.Form):
    """Until when a backup is kept, and why."""

    until = TimestampField(error_messages={"required": "Enter the end of the hold."})
    reason = forms.CharField(
        max_length=REASON_LENGTH, error_messages={"required": "Enter a reason for the hold."}
    )
