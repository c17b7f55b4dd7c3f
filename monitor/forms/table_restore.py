"""The form of a restore of tables: which, and where to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from backups.exceptions import BadInput
from backups.models import BackupCopy, Instance
from backups.table_names.names import TableName, parse_table
from backups.table_restores.request import WantedTables, parameters_for
from monitor.forms.replay_place import PLAIN

TABLE_RESTORE_FIELDS = (
    "tables", "to_instance", "new_name", "replace", "sql_file", "to_folder",
)  # fmt: skip


class TableRestoreForm(forms.Form):
    """Sent in the query string, so that a plan can be reloaded and shared."""

    tables = forms.CharField(
        label="Tables",
        max_length=20_000,
        help_text="One a line, as schema.table; put a name with a dot in backquotes.",
        widget=forms.Textarea(attrs={"rows": 3, **PLAIN}),
    )
    to_instance = forms.ModelChoiceField(
        label="Into the instance",
        queryset=Instance.objects.none(),
        to_field_name="name",
        required=False,
        empty_label="none",
        help_text="Its account needs rights on the schema; the plan says which it lacks.",
    )
    new_name = forms.CharField(
        label="Under another name",
        required=False,
        max_length=300,
        help_text="As schema.table, of a single table; blank: its own.",
        widget=forms.TextInput(attrs=PLAIN),
    )
    replace = forms.BooleanField(
        label="Replace a table of that name",
        required=False,
        help_text="The present one is renamed and kept.",
    )
    sql_file = forms.CharField(
        label="Or as SQL into the file",
        required=False,
        max_length=400,
        help_text="A new file on the worker's host.",
        widget=forms.TextInput(attrs={"placeholder": "/srv/restored/orders.sql", **PLAIN}),
    )
    to_folder = forms.CharField(
        label="Or as files into the folder",
        required=False,
        max_length=400,
        help_text="A new or empty folder on the worker's host.",
        widget=forms.TextInput(attrs={"placeholder": "/srv/restored/orders", **PLAIN}),
    )

    def __init__(self, *args: object, copy: BackupCopy, **words: object) -> None:
        super().__init__(*args, **words)  # type: ignore[arg-type]
        field = self.fields["to_instance"]
        assert isinstance(field, forms.ModelChoiceField)
        # Of the same product: others take neither files nor definitions.
        instances = Instance.objects.filter(engine=copy.backup.engine, enabled=True)
        field.queryset = instances.order_by("name")

    def clean_tables(self) -> list[TableName]:
        lines = [line for line in self.cleaned_data["tables"].splitlines() if line.strip()]
        return [_parsed(line) for line in lines]

    def clean_new_name(self) -> TableName | None:
        name = self.cleaned_data["new_name"].strip()
        return _parsed(name) if name else None

    def clean(self) -> dict[str, Any]:
        """Check what fits together. Any: a form's own values."""
        if not self.errors:
            try:
                parameters_for(self.wanted())
            except BadInput as exc:
                text = str(exc)
                raise ValidationError(f"{text[:1].upper()}{text[1:]}. {exc.hint}".strip()) from None
        return self.cleaned_data

    def wanted(self) -> WantedTables:
        """Return what a valid form asks for."""
        given = self.cleaned_data
        return WantedTables(
            given["tables"],
            to_instance=given["to_instance"],
            to_folder=Path(given["to_folder"]) if given["to_folder"] else None,
            sql_file=Path(given["sql_file"]) if given["sql_file"] else None,
            new_name=given["new_name"],
            replace=given["replace"],
        )


def _parsed(text: str) -> TableName:
    try:
        return parse_table(text)
    except BadInput as exc:
        raise ValidationError(f"{exc}. {exc.hint}".strip()) from None
