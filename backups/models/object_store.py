"""Where in an object store a repository is, and with which credentials: columns of its row."""

from __future__ import annotations

from dataclasses import replace

from django.core.exceptions import ValidationError
from django.db import models

from backups.exceptions import BadInput
from backups.repositories.objects.place import (
    CUSTOMER,
    DEFAULT_REGION,
    BucketPlace,
    StorePlace,
    normal_customer_key,
    normal_endpoint,
)
from backups.repositories.objects.places import place_at, refuse_unusable, sends_tokens_elsewhere
from backups.secrets import decrypt, encrypt

OBJECT_STORE_COLUMNS = (
    "endpoint", "region", "virtual_host", "ca_file", "storage_class", "server_encryption",
    "kms_key", "credentials", "credentials_name", "access_key_id",
)  # fmt: skip
# Of a store that speaks S3 only.
S3_COLUMNS = ("region", "server_encryption", "kms_key", "access_key_id")


class CredentialsFrom(models.TextChoices):
    STORED = "stored", "Stored here, encrypted"
    ENVIRONMENT = "environment", "The environment of the processes"
    FILE = "file", "A file on this host"
    ROLE = "role", "The role or managed identity of the host"


class ServerSideEncryption(models.TextChoices):
    BUCKET = "", "As the bucket does by itself"
    SSE_S3 = "AES256", "SSE-S3"
    SSE_KMS = "aws:kms", "SSE-KMS"
    DSSE_KMS = "aws:kms:dsse", "SSE-KMS in two layers"
    SSE_C = CUSTOMER, "SSE-C, with a key that Mooring sends"


class ObjectStoreSettings(models.Model):
    """Used by repositories in an object store only, whose path is ``s3://…`` or the like."""

    endpoint = models.CharField(
        max_length=300,
        blank=True,
        help_text="URL of the store, as https://s3.example.org:9000; blank is that of the cloud.",
    )
    region = models.CharField(
        max_length=64,
        blank=True,
        help_text=f"Of s3://… only. Blank is {DEFAULT_REGION}; most other stores ignore it.",
    )
    virtual_host = models.BooleanField(
        "bucket in the host name",
        default=False,
        help_text="Of an endpoint of your own; most expect the bucket, or the account of az://…, "
        "in the path.",
    )
    ca_file = models.CharField(
        "CA file",
        max_length=400,
        blank=True,
        help_text="PEM file on this host, for a store with a certificate of your own CA.",
    )
    storage_class = models.CharField(
        max_length=40,
        blank=True,
        help_text="As STANDARD_IA, NEARLINE or Cool; blank is the bucket's.",
    )
    server_encryption = models.CharField(
        "server-side encryption",
        max_length=20,
        blank=True,
        choices=ServerSideEncryption.choices,
        default=ServerSideEncryption.BUCKET,
        help_text="In addition to Mooring's own.",
    )
    kms_key = models.CharField("KMS key id", max_length=300, blank=True)
    credentials = models.CharField(
        max_length=20, choices=CredentialsFrom.choices, default=CredentialsFrom.STORED
    )
    credentials_name = models.CharField(
        "name of the credentials",
        max_length=400,
        blank=True,
        help_text="Of the environment: how the variables begin, as AWS or OFFSITE "
        "(…_ACCESS_KEY_ID, …_SECRET_ACCESS_KEY); of az://… and gs://… the name of the one "
        "variable. Of a file: its absolute path. Of a managed identity: its client id.",
    )
    access_key_id = models.CharField(max_length=200, blank=True, help_text="Of s3://… only.")
    secret_key_token = models.TextField(blank=True, editable=False)
    customer_key_token = models.TextField(blank=True, editable=False)

    class Meta:
        abstract = True

    def bucket_place(self, path: str) -> StorePlace:
        """Return the place of ``path``, or raise BadInput if it cannot be one."""
        place = replace(
            place_at(path),
            endpoint=normal_endpoint(self.endpoint),
            virtual_host=self.virtual_host,
            ca_file=self.ca_file,
            storage_class=self.storage_class,
        )
        if isinstance(place, BucketPlace):
            place = replace(
                place,
                region=self.region or DEFAULT_REGION,
                encryption=self.server_encryption,
                kms_key=self.kms_key,
                customer_key=self.customer_key(),
            )
        refuse_unusable(place)
        return place

    def set_secret_key(self, secret: str) -> None:
        """Keep the secret key encrypted; the caller saves the row."""
        self.secret_key_token = encrypt(secret) if secret else ""

    def secret_key(self) -> str:
        """Return the secret key in the clear, to sign requests and for nothing else."""
        return decrypt(self.secret_key_token) if self.secret_key_token else ""

    def set_customer_key(self, key: str) -> None:
        """Keep the key of SSE-C encrypted, or raise BadInput; the caller saves the row.

        Another one than the present is refused: nothing that was stored could be read by it.
        """
        key = normal_customer_key(key)
        if self.customer_key_token and key != self.customer_key():
            raise BadInput(
                "the customer key cannot be changed: what is stored is encrypted with it",
                hint="Make another repository with the new key, and purge this one in time.",
            )
        self.customer_key_token = encrypt(key) if key else ""

    def customer_key(self) -> str:
        """Return the key of SSE-C in the clear, for requests and for nothing else."""
        return decrypt(self.customer_key_token) if self.customer_key_token else ""

    def check_object_store(self, path: str) -> None:
        """Raise ValidationError for settings that no store accepts."""
        try:
            self.endpoint = normal_endpoint(self.endpoint)
            place = self.bucket_place(path)
        except BadInput as exc:
            raise ValidationError(f"{exc}. {exc.hint}".strip()) from None
        faults, speaks_s3 = {}, isinstance(place, BucketPlace)
        if not speaks_s3:
            faults = {name: "Only s3://… has it." for name in S3_COLUMNS if getattr(self, name)}
        elif self.credentials == CredentialsFrom.STORED and not self.access_key_id:
            faults["access_key_id"] = "Required by a stored key pair."
        if self.credentials == CredentialsFrom.FILE and not self.credentials_name.startswith("/"):
            faults["credentials_name"] = "Enter the absolute path of the file."
        if self.credentials == CredentialsFrom.ENVIRONMENT and not self.credentials_name:
            faults["credentials_name"] = "Enter the name of the variable, or how they begin."
        of_host = not speaks_s3 and self.credentials != CredentialsFrom.STORED
        # Whoever enters an endpoint is not thereby one who may have what the host has.
        if of_host and sends_tokens_elsewhere(place):
            faults["endpoint"] = (
                "Credentials of the host are sent to the cloud itself and to this host only."
            )
        if faults:
            raise ValidationError(faults)
