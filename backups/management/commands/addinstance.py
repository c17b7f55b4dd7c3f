"""Adds an instance, after checking that it can be reached."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from django.core.management.base import CommandParser
from django.db import transaction
from django.utils.timezone import now

from backups.activity import record
from backups.checks import Verdict
from backups.engines import ENGINE_FOR, ENGINES
from backups.exceptions import BadInput, Refused
from backups.instances.connection import connect, login_of
from backups.instances.data_folder import refuse_instance_around
from backups.instances.facts import ServerFacts, probe
from backups.instances.grants import grant_statement, missing_privileges, needed_by
from backups.management.output import Answer, MooringCommand
from backups.management.pace_options import add_pace_options
from backups.management.rows import refuse_invalid
from backups.management.secret_input import read_secret
from backups.models import Instance, InstanceGroup, Tag
from backups.models.activity import Verb
from backups.models.instance import HistoryTool, RunnerKind, TlsMode
from backups.models.pace import PACE_COLUMNS
from backups.pacing.entered import describe_own
from backups.preflight.checks import remember
from backups.programs.compatibility import MARIADB_BACKUP, can_back_up

Named = TypeVar("Named", InstanceGroup, Tag)
COLUMNS = (
    "name", "host", "port", "user", "socket", "tls", "tls_ca_file", "tls_certificate_file",
    "tls_key_file", "runner", "history_tool", "allow_plugin_install", "save_foreign_tables",
    "lock_wait_seconds", "site",
)  # fmt: skip
SSH_COLUMNS = ("ssh_host", "ssh_user", "ssh_port", "ssh_identity_file", "ssh_known_hosts_file")


class Command(MooringCommand):
    help = "Add an instance to be backed up."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="Name of the new entry.")
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=3306)
        parser.add_argument("--user", default="mooring")
        parser.add_argument(
            "--password-file",
            help="File with the password; - prompts for it, or reads a line from a pipe.",
        )
        parser.add_argument("--socket", default="", help="Unix socket, instead of host and port.")
        _add_tls_options(parser)
        parser.add_argument(
            "--engine", choices=list(ENGINES), help="Default: the engine for the server's product."
        )
        _add_engine_options(parser)
        parser.add_argument("--group", action="append", default=[], help="May be repeated.")
        parser.add_argument("--tag", action="append", default=[], help="May be repeated.")
        parser.add_argument("--site", default="", help="Building or region where it is.")
        parser.add_argument(
            "--history-tool",
            choices=HistoryTool.values,
            default="",
            help="Tool whose history to read, if another scheduler takes the backups.",
        )
        parser.add_argument("--no-check", action="store_true", help="Do not connect to it.")
        _add_ssh_options(parser)
        add_pace_options(parser)

    def answer(self, options: dict[str, Any]) -> Answer:
        columns = COLUMNS + SSH_COLUMNS + PACE_COLUMNS
        instance = Instance(**{column: options[column] for column in columns})
        _refuse_contradictions(instance)
        instance.set_password(read_secret(options["password_file"], "password"))
        refuse_invalid(instance)
        instance.engine = options["engine"] or ""
        facts = None if options["no_check"] else _ask(instance)
        instance.engine = options["engine"] or _proposed_engine(facts)
        if facts is not None:
            _refuse_unfit(instance, facts)
            refuse_instance_around(instance, facts)
        _save(instance, options["group"], options["tag"], facts)
        return _answer(instance, facts)


def _add_engine_options(parser: CommandParser) -> None:
    parser.add_argument(
        "--allow-plugin-install",
        action="store_true",
        help="MySQL: a backup may install the clone plugin if it is missing.",
    )
    parser.add_argument(
        "--save-foreign-tables",
        action="store_true",
        help="MySQL: save tables of other engines by SELECT, each locked while it is read.",
    )
    parser.add_argument(
        "--lock-wait-seconds",
        type=int,
        help="Longest wait of a backup for a lock; others queue behind it. Default: 60.",
    )


def _add_tls_options(parser: CommandParser) -> None:
    parser.add_argument(
        "--tls",
        choices=TlsMode.values,
        default=TlsMode.BY_ADDRESS.value,
        help="Default: preferred on this host, otherwise required.",
    )
    parser.add_argument("--tls-ca-file", default="", help="CA of the server, for verify-*.")
    parser.add_argument("--tls-certificate-file", default="", help="Certificate of the worker.")
    parser.add_argument("--tls-key-file", default="", help="Private key of that certificate.")


def _add_ssh_options(parser: CommandParser) -> None:
    parser.add_argument("--runner", choices=RunnerKind.values, default=RunnerKind.LOCAL.value)
    parser.add_argument("--ssh-host", default="")
    parser.add_argument("--ssh-user", default="")
    parser.add_argument("--ssh-port", type=int, default=22)
    parser.add_argument("--ssh-identity-file", default="", help="Private key of the worker.")
    parser.add_argument(
        "--ssh-known-hosts-file", default="", help="File with the keys of known hosts."
    )


def _refuse_contradictions(instance: Instance) -> None:
    given = [column for column in SSH_COLUMNS if getattr(instance, column) not in ("", 22)]
    if instance.runner == RunnerKind.LOCAL and given:
        option = given[0].replace("_", "-")
        raise BadInput(
            f"--{option} needs --runner ssh",
            hint="Leave it out: the local runner does not use ssh.",
        )
    if instance.runner == RunnerKind.SSH and not (instance.ssh_host and instance.ssh_user):
        raise BadInput("--runner ssh needs --ssh-host and --ssh-user")
    for name in ("ssh_identity_file", "ssh_known_hosts_file", "socket"):
        path = getattr(instance, name)
        if path and not Path(path).is_absolute():
            raise BadInput(f"--{name.replace('_', '-')}: {path} is not an absolute path")


def _ask(instance: Instance) -> ServerFacts:
    with closing(connect(login_of(instance))) as connection:
        return probe(connection)


def _proposed_engine(facts: ServerFacts | None) -> str:
    return ENGINE_FOR.get(facts.flavour if facts else "", MARIADB_BACKUP)


def _refuse_unfit(instance: Instance, facts: ServerFacts) -> None:
    ruling = can_back_up(instance.engine, facts.flavour, facts.release)
    if ruling.verdict is Verdict.FAILED:
        raise Refused(f"{instance.address}: {ruling.reason}", hint=ruling.hint)


def _save(
    instance: Instance, groups: list[str], tags: list[str], facts: ServerFacts | None
) -> None:
    with transaction.atomic():
        instance.save(force_insert=True)
        for name in dict.fromkeys(groups):
            instance.groups.add(_named(InstanceGroup, name))
        for name in dict.fromkeys(tags):
            instance.tags.add(_named(Tag, name))
        if facts is not None:
            remember(instance, facts, now())
        details = {"address": instance.address, "engine": instance.engine, "groups": groups}
        record(Verb.ADDED, instance, details=details)


def _named(model: type[Named], name: str) -> Named:
    """Return the group or tag of that name, created if there is none."""
    if known := model._default_manager.filter(name=name).first():
        return known
    row = model(name=name)
    refuse_invalid(row)
    row.save(force_insert=True)
    return row


def _answer(instance: Instance, facts: ServerFacts | None) -> Answer:
    missing: list[str] = []
    if facts:
        needed = needed_by(instance.engine, rocksdb=facts.rocksdb)
        missing = missing_privileges(facts.grants, needed)
    statement = grant_statement(facts.grants.account, missing) if facts and missing else ""
    product = f"{instance.get_flavour_display()} {facts.version}" if facts else "not checked"
    shown = [f"Added {instance.name}: {instance.address}, {product}, engine {instance.engine}."]
    if statement:
        shown += [f"Missing privileges: {', '.join(missing)}. Run this on the instance:", statement]
    shown.append(f"Run doctor {instance.name} to check what a backup needs.")
    return Answer(
        {
            "name": instance.name,
            "uuid": instance.uuid,
            "address": instance.address,
            "engine": instance.engine,
            "tls": instance.tls,
            "flavour": instance.flavour,
            "version": instance.version,
            "groups": sorted(instance.groups.values_list("name", flat=True)),
            "tags": sorted(instance.tags.values_list("name", flat=True)),
            "history_tool": instance.history_tool,
            "pace": describe_own(instance),
            "checked": facts is not None,
            "missing_privileges": missing,
            "grant_statement": statement,
        },
        shown,
    )
