"""Instances: what is backed up, and how to reach it."""

from __future__ import annotations

import uuid

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils.timezone import now

from backups.logins.tls import Tls
from backups.models.pace import PaceSettings
from backups.secrets import decrypt, encrypt

# A name is part of labels, paths and addresses of pages.
name_validator = RegexValidator(
    r"^[a-zA-Z0-9][a-zA-Z0-9._-]*\Z",
    "Use letters, digits, dots, dashes and underscores, beginning with a letter or digit.",
)
# A stored password is sent only to the address, and over the route, it was stored for.
ROUTE_OF_PASSWORD = (
    "host", "port", "socket", "tls", "tls_ca_file", "runner", "ssh_host", "ssh_port", "ssh_user",
    "ssh_known_hosts_file",
)  # fmt: skip
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

    BY_ADDRESS = "by-address", "By address: preferred on this host, otherwise required"
    VERIFY_IDENTITY = (
        Tls.VERIFY_IDENTITY.value,
        "Verify identity: a certificate of the CA, for this host name",
    )
    VERIFY_CA = Tls.VERIFY_CA.value, "Verify CA: a certificate of the CA"
    REQUIRED = Tls.REQUIRED.value, "Required: no connection without TLS; the server may be anybody"
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


class Instance(PaceSettings):
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
    tls = models.CharField(
        "TLS", max_length=20, choices=TlsMode.choices, default=TlsMode.BY_ADDRESS
    )
    # On the worker's host, like the files of the ssh login.
    tls_ca_file = models.CharField("CA file", max_length=400, blank=True)
    tls_certificate_file = models.CharField("Client certificate file", max_length=400, blank=True)
    tls_key_file = models.CharField("Client key file", max_length=400, blank=True)
    groups = models.ManyToManyField(InstanceGroup, related_name="instances", blank=True)
    tags = models.ManyToManyField(Tag, related_name="instances", blank=True)
    site = models.CharField(
        max_length=64, blank=True, help_text="Building or region: what one fire would take."
    )
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
    # The server whose backups these are, as it names itself; blank until it was reached once.
    server_identity = models.CharField(max_length=120, blank=True, editable=False)
    # Another server at the address, since when; blank and null while there is none.
    other_server = models.CharField(max_length=120, blank=True, editable=False)
    other_server_since = models.DateTimeField(null=True, blank=True, editable=False)
    data_bytes = models.BigIntegerField(null=True, blank=True)
    # Its data folder, with links resolved, and the device that it is on; blank and null unless
    # it is known to be a folder of Mooring's own host.
    data_folder = models.CharField(max_length=1000, blank=True, editable=False)
    data_device = models.BigIntegerField(null=True, blank=True, editable=False)
    # Which files of which server the last preflight could not prove to belong together; blank if
    # it could. And which of these an admin confirmed.
    files_unproven = models.TextField(blank=True, editable=False)
    files_confirmed = models.TextField(blank=True, editable=False)
    files_confirmed_by = models.CharField(max_length=150, blank=True, editable=False)
    files_confirmed_at = models.DateTimeField(null=True, blank=True, editable=False)
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
        indexes = [
            models.Index(fields=["next_probe_at"], name="backups_instance_next_probe"),
            # Which instances are on the disk of a repository; most are on other hosts.
            models.Index(
                fields=["data_device"],
                name="backups_instance_device",
                condition=models.Q(data_device__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse TLS settings that would protect less than they seem to."""
        verifies = self.tls in (TlsMode.VERIFY_CA, TlsMode.VERIFY_IDENTITY)
        faults = {}
        if verifies and not self.tls_ca_file:
            faults["tls_ca_file"] = "Required by verify-ca and verify-identity."
        if self.tls_ca_file and not verifies:
            faults["tls"] = "A CA file is used by verify-ca and verify-identity only."
        if self.socket and self.tls == TlsMode.VERIFY_IDENTITY:
            faults["tls"] = "A unix socket has no host name to verify."
        if bool(self.tls_key_file) != bool(self.tls_certificate_file):
            faults["tls_key_file"] = "A client certificate and its key belong together."
        for name in ("tls_ca_file", "tls_certificate_file", "tls_key_file"):
            if (path := getattr(self, name)) and not path.startswith("/"):
                faults[name] = "Enter an absolute path."
        if faults:
            raise ValidationError(faults)

    @property
    def files_await_confirmation(self) -> bool:
        """Whether backups are refused until an admin confirms whose files the tool reads."""
        return self.files_unproven not in ("", self.files_confirmed)

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
