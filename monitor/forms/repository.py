"""The form of a repository: only the fields of its kind, in groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.forms import BoundField

from backups.admin.repository import RepositoryForm
from backups.models.repository import PURGE_DELAY, RepositoryKind
from monitor.forms.fields import LengthField
from monitor.forms.repository_kinds import (
    KEPT,
    RepositoryChoice,
    choice_of_address,
    choice_of_kind,
)
from monitor.forms.retention import RETENTION_HELP, RETENTION_LABELS, keep_for_field


@dataclass(frozen=True, slots=True)
class ShownGroup:
    """A group of fields as the page shows it."""

    legend: str
    fields: Sequence[BoundField]
    folded: bool
    # Of a folded one: with an error, or with what somebody has entered.
    opened: bool


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

    # Any: passed through.
    def __init__(self, *args: Any, choice: RepositoryChoice | None = None, **words: Any) -> None:
        super().__init__(*args, **words)
        self.fixed = not self.instance._state.adding
        # One that was sent without a choice is judged by its address.
        self.chosen = self.fixed or choice is not None
        if self.fixed:
            choice = choice_of_kind(self.instance.kind)
        self.choice = choice or choice_of_address(str(self.data.get("path", "")))
        self._show_fields_of(self.choice)

    def _show_fields_of(self, choice: RepositoryChoice) -> None:
        for name in self.fields.keys() - choice.names:
            del self.fields[name]
        self.fields["path"].label = choice.address_label
        self.fields["path"].help_text = choice.address_help
        for name, label in choice.labels.items():
            self.fields[name].label = label
        for name, text in choice.help_texts.items():
            self.fields[name].help_text = text if self.fixed else text.removesuffix(KEPT)

    def groups(self) -> list[ShownGroup]:
        """Return the fields in the groups of the kind."""
        return [
            ShownGroup(
                group.legend,
                [self[name] for name in group.names],
                group.folded,
                any(self[name].errors or self._entered(name) for name in group.names),
            )
            for group in self.choice.groups
        ]

    def _entered(self, name: str) -> bool:
        """Whether a column of the row differs from its default."""
        if not self.fixed or name not in (self._meta.fields or ()):
            return False
        default = self._meta.model._meta.get_field(name).get_default()
        return bool(getattr(self.instance, name) != default)

    def clean_path(self) -> str:
        path = super().clean_path()
        found = choice_of_kind(self.instance.kind)
        if self.chosen and found.kind != self.choice.kind:
            self.instance.kind = self.choice.kind
            advice = (
                "Add what is there as a repository of its own."
                if self.fixed
                else "Choose that kind, or correct the address."
            )
            raise ValidationError(f"This is of another kind: {found.title}. {advice}")
        if found.kind == RepositoryKind.FILE and self.chosen:
            # Nothing is stored there.
            self.instance.enabled = False
        return path
