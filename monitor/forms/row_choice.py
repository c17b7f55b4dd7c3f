"""Which rows of an open table are requested? Columns, operators and orders come from lists."""

from __future__ import annotations

from django import forms

from backups.opened_tables.rows import OPERATORS, KeyCondition, RowChoice

LIMITS = (20, 100, 500)
CONDITIONS = 2
MOST_VALUE = 500


class RowChoiceForm(forms.Form):
    """Two conditions on columns of the primary key, an order and a number of rows."""

    def __init__(self, query: object, key: list[str]) -> None:
        super().__init__(query)  # type: ignore[arg-type]
        for number in range(1, CONDITIONS + 1):
            self.fields[f"column{number}"] = forms.ChoiceField(
                choices=[("", "any"), *((name, name) for name in key)],
                required=False,
                label=f"Key {number}",
            )
            self.fields[f"operator{number}"] = forms.ChoiceField(
                choices=[(each, each) for each in OPERATORS], required=False, label="is"
            )
            self.fields[f"value{number}"] = forms.CharField(
                max_length=MOST_VALUE, required=False, strip=False, label="Value"
            )
        self.fields["order"] = forms.ChoiceField(
            choices=[("", "first rows first"), ("last", "last rows first")],
            required=False,
            label="Order",
        )
        self.fields["limit"] = forms.TypedChoiceField(
            choices=[(each, f"{each} rows") for each in LIMITS],
            coerce=int,
            required=False,
            label="At most",
        )

    def choice(self) -> RowChoice:
        """Return what is chosen; the form must be valid."""
        chosen = self.cleaned_data
        conditions = [
            KeyCondition(
                chosen[f"column{number}"],
                chosen[f"operator{number}"] or OPERATORS[0],
                chosen[f"value{number}"],
            )
            for number in range(1, CONDITIONS + 1)
            if chosen[f"column{number}"]
        ]
        return RowChoice(conditions, chosen["order"] == "last", chosen["limit"] or LIMITS[0])
