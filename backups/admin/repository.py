"""Repositories: configured by admins; saving a new one initialises its folder."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.timezone import now

from backups.access import store_of
from backups.admin.bases import ModelAdmin, ModelForm
from backups.admin.history import HistoryAdmin
from backups.admin.places import place_to_wait
from backups.catalog.disks import note_medium
from backups.catalog.new_repository import check_locks, note_device, place_of, settle
from backups.exceptions import BadInput, MooringError
from backups.instances.data_folder import refuse_nested_repository
from backups.models import MediaPiece, Repository, RepositorySpace
from backups.models.object_lock import OBJECT_LOCK_COLUMNS
from backups.models.object_store import OBJECT_STORE_COLUMNS, ServerSideEncryption
from backups.models.prices import PRICE_COLUMNS
from backups.models.repository import RepositoryKind
from backups.models.retention import RETENTION_COLUMNS
from backups.models.sftp import SFTP_COLUMNS
from backups.retention.second_admin import request_settings

SECRET_FIELDS = ("new_secret_key", "new_customer_key")
# Of which a change may lead to another repository, or to none.
PLACE_FIELDS = {
    "path", *SECRET_FIELDS, *OBJECT_STORE_COLUMNS, *OBJECT_LOCK_COLUMNS, *SFTP_COLUMNS,
}  # fmt: skip


class RepositoryForm(ModelForm):
    """A repository whose folder or bucket is checked before the row is saved."""

    new_secret_key = forms.CharField(
        label="Secret key",
        required=False,
        strip=False,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"}),
        help_text="Of az://… the account key or a SAS token, of gs://… the content of the JSON "
        "file. Stored encrypted and never shown. Leave blank to keep the present one.",
    )

    new_customer_key = forms.CharField(
        label="Customer key",
        required=False,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"}),
        help_text="Of SSE-C only: 32 bytes as base64. Keep a copy: nothing can be read without it. "
        "Stored encrypted, never shown, and never changed.",
    )

    class Meta:
        model = Repository
        fields = [
            "name", "path", "encrypted", "differences", "enabled", "max_jobs", "site",
            "undeletable_by", "purge_delay", "two_admins",
            *OBJECT_STORE_COLUMNS, *OBJECT_LOCK_COLUMNS, *SFTP_COLUMNS, *PRICE_COLUMNS,
            *RETENTION_COLUMNS,
        ]  # fmt: skip

    def __init__(self, *args: Any, **words: Any) -> None:  # Any: passed through.
        super().__init__(*args, **words)
        # What is saved only once a second admin has confirmed it, and the fields of that.
        self.weaker: dict[str, object] = {}
        self.held_back: set[str] = set()
        # Of a folder nothing is entered here; what is missing keeps its value.
        self.fields["credentials"].required = False
        self.fields["purge_delay"].required = False

    @cached_property
    def changed_data(self) -> list[str]:
        """The changed fields; one that was not sent and has a default keeps its value."""
        defaults = {field.name for field in self._meta.model._meta.fields if field.has_default()}
        return [
            name
            for name in super().changed_data
            if name not in self.held_back
            and (
                name not in defaults
                or not self.fields[name].widget.value_omitted_from_data(
                    self.data, self.files, self.add_prefix(name)
                )
            )
        ]

    def clean_purge_delay(self) -> timedelta:
        entered: timedelta | None = self.cleaned_data["purge_delay"]
        present: timedelta = self.instance.purge_delay
        return present if entered is None else entered

    def clean_path(self) -> str:
        path: str = self.cleaned_data["path"]
        adding = self.instance._state.adding
        if not adding and path == self.initial.get("path"):
            # What is there now says nothing: its disk may be unmounted.
            return path
        try:
            with place_to_wait():
                kind, path = place_of(path)
        except MooringError as exc:
            raise ValidationError(f"{exc}. {exc.hint}".strip()) from None
        if not adding and (kind == RepositoryKind.FILE) != self.instance.read_only:
            raise ValidationError("An exported file and a folder are different repositories.")
        self.instance.kind = kind
        return path

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        self._hold_back(cleaned)
        secret = cleaned.get("new_secret_key")
        # A folder is read without it.
        moved = self.instance.is_bucket and {"endpoint", "path"} & set(self.changed_data)
        if self.instance.secret_key_token and moved and not secret:
            self.add_error("new_secret_key", "The address changed: enter the secret key again.")
        if secret:
            self.instance.set_secret_key(secret)
        self._take_customer_key(cleaned, moved=bool(moved))
        return cleaned

    def _take_customer_key(self, cleaned: dict[str, Any], *, moved: bool) -> None:
        """Keep an entered customer key; what is stored is not encrypted in another way."""
        key = cleaned.get("new_customer_key")
        stored = bool(self.instance.customer_key_token)
        sealed = cleaned.get("server_encryption") == ServerSideEncryption.SSE_C
        if stored and moved and not key:
            self.add_error("new_customer_key", "The address changed: enter the key again.")
        if not self.instance._state.adding and stored != sealed:
            self.add_error(
                "server_encryption",
                "SSE-C is for the whole life of a repository: what is stored could not be read.",
            )
        elif key:
            try:
                self.instance.set_customer_key(key)
            except BadInput as exc:
                self.add_error("new_customer_key", f"{exc}. {exc.hint}")

    def _hold_back(self, cleaned: dict[str, Any]) -> None:
        """Leave out what a second admin must confirm first; ``weaker`` is requested instead."""
        row = self.instance
        if row._state.adding or not row.two_admins:
            return
        delay = cleaned.get("purge_delay", row.purge_delay)
        if delay < row.purge_delay:
            self.weaker["purge_delay_seconds"] = delay.total_seconds()
            self.held_back.add("purge_delay")
        if not cleaned.get("two_admins", True):
            self.weaker["two_admins"] = False
            self.held_back.add("two_admins")
        cleaned.update({name: getattr(row, name) for name in self.held_back})

    def _post_clean(self) -> None:
        """Check the place last, when all fields are valid: an initialised folder stays."""
        super()._post_clean()  # type: ignore[misc]  # Django's own hook, unknown to its stubs.
        if not self.errors:
            try:
                with place_to_wait():
                    self._check_place()
            except MooringError as exc:
                self.add_error("path", f"{exc}. {exc.hint}".strip())

    def _check_place(self) -> None:
        """Initialise the place of a new row; a changed one must hold the same repository."""
        repository = self.instance
        if repository.is_sequential and (repository._state.adding or "path" in self.changed_data):
            raise BadInput(
                "a repository on sequential media is added by a command, and not moved",
                hint="A tape may take minutes: run ./mooring manage addrepository NAME "
                f"--path {repository.path}",
            )
        if repository._state.adding:
            settle(repository)
        elif (PLACE_FIELDS if not repository.is_folder else {"path"}) & set(self.changed_data):
            if repository.is_folder:
                refuse_nested_repository(repository.path)
            note_device(repository)
            note_medium(repository)
            identity = store_of(repository).identity()
            if identity.uuid != str(repository.uuid):
                raise BadInput(f"{repository.address} holds another repository, {identity.uuid}")
            check_locks(repository)


@admin.register(Repository)
class RepositoryAdmin(ModelAdmin):
    form = RepositoryForm
    list_display = ["name", "kind", "path", "endpoint", "encrypted", "enabled", "created_at"]
    list_filter = ["kind", "encrypted", "enabled"]
    search_fields = ["name", "path", "endpoint"]

    # Any: the row and the form are the model's.
    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        super().save_model(request, obj, form, change)
        if form.weaker:
            assert isinstance(request.user, User)
            request_settings(obj, form.weaker, request.user, now())
            messages.warning(request, "Another admin must confirm it under Deletions first.")

    readonly_fields = ["kind", "uuid", "device", "medium", "lock_fault", "created_at"]
    fieldsets = [
        (None, {"fields": ["name", "path", "encrypted", "differences", "enabled", "max_jobs"]}),
        ("Where it is", {"fields": ["site", "undeletable_by"]}),
        (
            "Object store, not for a folder",
            {"fields": [*OBJECT_STORE_COLUMNS, *SECRET_FIELDS]},
        ),
        ("Deletion", {"fields": ["purge_delay", "two_admins", *OBJECT_LOCK_COLUMNS]}),
        ("SFTP, for sftp://… only", {"fields": [*SFTP_COLUMNS]}),
        ("Prices", {"fields": [*PRICE_COLUMNS]}),
        ("Retention of backups without a schedule", {"fields": [*RETENTION_COLUMNS]}),
        ("Found there", {"fields": [*readonly_fields]}),
    ]


@admin.register(MediaPiece)
class MediaPieceAdmin(HistoryAdmin):
    """What is on sequential media, by the catalog."""

    list_display = ["name", "repository", "size", "begun_at"]
    list_filter = ["repository"]
    list_select_related = ["repository"]
    search_fields = ["name", "object"]
    exclude = ["content"]


@admin.register(RepositorySpace)
class RepositorySpaceAdmin(HistoryAdmin):
    list_display = ["repository", "measured_at", "free_bytes", "total_bytes", "error"]
    list_filter = ["repository"]
    list_select_related = ["repository"]
    search_fields = ["repository__name", "error"]
    autocomplete_fields = ["repository"]
