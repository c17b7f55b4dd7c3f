"""Instances: what is backed up, and how to reach it."""

from __future__ import annotations

import uuid

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils.timezone import now

from backups.secrets import decrypt, encrypt
from backups.tls import Tls

# A name is part of labels, paths and addresses of pages.
name_validator = RegexValidator(
    r"^[a-zA-Z0-9][a-zA-Z0-9._-]*\Z",
    "Use letters, digits, dots, dashes and underscores, beginning with a letter or digit.",
)
port_validators = [MinValueValidator(1), MaxValueValidator(65535)]


class Flavour(models.TextChoices):
    """The server product. Blank until the instance has been reached once."""

    MARIADB = "mariadb", "MariaDB"
    MYSQL = "mysql", "MySQL"


class RunnerKind(models.TextChoices):
    """How the engine's commands reach the instance's host."""

    LOCAL = "local", "Local: the worker runs on the instance's host"
    SSH = "ssh", "SSH: the worker logs in to the instance's host"


class TlsMode(models.TextChoices):
    """Whether connections to the instance are encrypted."""

    REQUIRED = Tls.REQUIRED.value, "Required: no connection without TLS"
    PREFERRED = Tls.PREFERRED.value, "Preferred: where the server offers TLS"
    OFF = Tls.OFF.value, "Off"


class InstanceGroup(models.Model):
    """Instances that are viewed together."""

    name = models.CharField(max_length=64, unique=True, validators=[name_validator])
    description = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Tag(models.Model):
    """A label on instances, by which schedules and routes select them."""

    name = models.CharField(max_length=64, unique=True, validators=[name_validator])

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class HistoryTool(models.TextChoices):
    """The tool whose history tables list backups that Mooring does not take."""

    NONE = "", "None: only Mooring backs it up"
    MARIADB_BACKUP = "mariadb_backup", "mariadb-backup --history"
    XTRABACKUP = "xtrabackup", "XtraBackup --history"
    MYSQLBACKUP = "mysqlbackup", "MySQL Enterprise Backup"


class Instance(models.Model):
    """One server process, at a host and port."""

    # Names the instance in repositories: it survives a rename and the loss of this database.
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=64, unique=True, validators=[name_validator])
    host = models.CharField(max_length=253, default="127.0.0.1")
    port = models.PositiveIntegerField(default=3306, validators=port_validators)
    socket = models.CharField(
        max_length=107, blank=True, help_text="Unix socket; used instead of host and port."
    )
    user = models.CharField(max_length=80, default="mooring")
    password_token = models.TextField(blank=True, editable=False)
    tls = models.CharField("TLS", max_length=10, choices=TlsMode.choices, default=TlsMode.PREFERRED)
    groups = models.ManyToManyField(InstanceGroup, related_name="instances", blank=True)
    tags = models.ManyToManyField(Tag, related_name="instances", blank=True)
    enabled = models.BooleanField(default=True)
    history_tool = models.CharField(max_length=20, choices=HistoryTool.choices, blank=True)

    engine = models.CharField(max_length=20, default="mariadb_backup")
    # Of the engine ``clone`` only.
    allow_plugin_install = models.BooleanField(
        default=False,
        help_text="MySQL: a backup may install the clone plugin if it is missing.",
    )
    save_foreign_tables = models.BooleanField(
        default=False,
        help_text="MySQL: save tables of other engines by SELECT, each locked meanwhile.",
    )
    lock_wait_seconds = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Longest wait of a backup for a lock; others queue behind it. Default: 60.",
    )
    runner = models.CharField(max_length=10, choices=RunnerKind.choices, default=RunnerKind.LOCAL)
    ssh_host = models.CharField(max_length=253, blank=True)
    ssh_port = models.PositiveIntegerField(default=22, validators=port_validators)
    ssh_user = models.CharField(max_length=64, blank=True)
    ssh_identity_file = models.CharField(max_length=400, blank=True)
    ssh_known_hosts_file = models.CharField(max_length=400, blank=True)

    # As reported by the instance when it was last reached; blank or null is unknown.
    flavour = models.CharField(max_length=10, choices=Flavour.choices, blank=True)
    version = models.CharField(max_length=80, blank=True)
    data_bytes = models.BigIntegerField(null=True, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True)
    # Since when it has been unreachable, and why; null while reachable or not probed yet.
    unreachable_since = models.DateTimeField(null=True, blank=True)
    unreachable_reason = models.CharField(max_length=500, blank=True)
    # When it is probed next. Null: at once.
    next_probe_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(runner__in=RunnerKind.values),
                name="backups_instance_runner_valid",
            ),
            models.CheckConstraint(
                condition=models.Q(tls__in=TlsMode.values), name="backups_instance_tls_valid"
            ),
            models.CheckConstraint(
                condition=models.Q(flavour__in=["", *Flavour.values]),
                name="backups_instance_flavour_valid",
            ),
            models.CheckConstraint(
                condition=models.Q(history_tool__in=HistoryTool.values),
                name="backups_instance_history_tool_valid",
            ),
        ]
        indexes = [models.Index(fields=["next_probe_at"], name="backups_instance_next_probe")]

    def __str__(self) -> str:
        return self.name

    @property
    def address(self) -> str:
        """The address the instance listens on, as displayed."""
        return self.socket or f"{self.host}:{self.port}"

    def set_password(self, password: str) -> None:
        """Keep ``password`` encrypted; the caller saves the row."""
        self.password_token = encrypt(password) if password else ""

    def password(self) -> str:
        """Return the password in the clear, for a connection and for nothing else."""
        return decrypt(self.password_token) if self.password_token else ""
