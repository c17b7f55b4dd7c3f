"""Repositories: configured by admins; saving a new one initialises its folder."""

from __future__ import annotations

from django.contrib import admin
from django.core.exceptions import ValidationError

from backups.access import store_of
from backups.admin.bases import ModelAdmin, ModelForm
from backups.admin.history import HistoryAdmin
from backups.admin.places import place_to_wait
from backups.catalog.new_repository import absolute_path, settle
from backups.exceptions import BadInput, MooringError
from backups.instances.data_folder import refuse_nested_repository
from backups.models import Repository, RepositorySpace
from backups.models.retention import RETENTION_COLUMNS
from backups.repositories.disks import device_of


class RepositoryForm(ModelForm):
    """A repository whose folder is checked before the row is saved."""

    class Meta:
        model = Repository
        fields = [
            "name", "kind", "path", "encrypted", "differences", "enabled", "max_jobs",
            *RETENTION_COLUMNS,
        ]  # fmt: skip

    def clean_path(self) -> str:
        try:
            return absolute_path(self.cleaned_data["path"])
        except BadInput as exc:
            raise ValidationError(f"{exc}. {exc.hint}".strip()) from None

    def _post_clean(self) -> None:
        """Check the folder last, when all fields are valid: an initialised folder stays."""
        super()._post_clean()  # type: ignore[misc]  # Django's own hook, unknown to its stubs.
        if not self.errors:
            try:
                with place_to_wait():
                    self._check_folder()
            except MooringError as exc:
                self.add_error("path", f"{exc}. {exc.hint}".strip())

    def _check_folder(self) -> None:
        """Initialise the folder of a new row; a new path must hold the same repository."""
        candidate = Repository(kind=self.cleaned_data["kind"], path=self.cleaned_data["path"])
        if self.instance._state.adding:
            settle(candidate)
            self.instance.uuid, self.instance.device = candidate.uuid, candidate.device
        elif "path" in self.changed_data:
            refuse_nested_repository(candidate.path)
            self.instance.device = device_of(candidate.path)
            identity = store_of(candidate).identity()
            if identity.uuid != str(self.instance.uuid):
                raise BadInput(f"{candidate.path} holds another repository, {identity.uuid}")


@admin.register(Repository)
class RepositoryAdmin(ModelAdmin):
    form = RepositoryForm
    list_display = ["name", "kind", "path", "encrypted", "enabled", "created_at"]
    list_filter = ["kind", "encrypted", "enabled"]
    search_fields = ["name", "path"]
    fields = [
        "name", "kind", "path", "encrypted", "differences", "enabled", "max_jobs",
        *RETENTION_COLUMNS, "uuid", "device", "created_at",
    ]  # fmt: skip
    readonly_fields = ["uuid", "device", "created_at"]


@admin.register(RepositorySpace)
class RepositorySpaceAdmin(HistoryAdmin):
    list_display = ["repository", "measured_at", "free_bytes", "total_bytes", "error"]
    list_filter = ["repository"]
    list_select_related = ["repository"]
    search_fields = ["repository__name", "error"]
    autocomplete_fields = ["repository"]
