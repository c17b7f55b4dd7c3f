"""Enables, changes or disables the binlog archive of an instance."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from django.core.management.base import CommandParser
from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from backups.binlog_archive.receiving.checks import check_grants, check_source
from backups.binlog_archive.receiving.enable import ArchiveRequest, disable_archive, enable_archive
from backups.binlog_archive.receiving.source import fetch_source
from backups.checks import Check, Verdict
from backups.exceptions import BadInput, Refused
from backups.instances.connection import connect, login_of
from backups.instances.facts import fetch_grants
from backups.management.output import Answer, MooringCommand
from backups.management.rows import named_instance, named_repository
from backups.models import BinlogArchive, Instance


class Command(MooringCommand):
    help = "Archive the binlogs of an instance continuously, or end that."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("instance", help="Its name.")
        parser.add_argument(
            "--repository",
            action="append",
            help="Where to store them; may be repeated. Replaces what was named before.",
        )
        parser.add_argument(
            "--acknowledge",
            action="store_true",
            help="Let the source confirm a commit only when Mooring has it on its disk. Needs "
            "semi-synchronous replication on the source.",
        )
        parser.add_argument(
            "--no-acknowledge", action="store_true", help="Receive without acknowledging."
        )
        parser.add_argument(
            "--off", action="store_true", help="End receiving; keep what is stored."
        )
        parser.add_argument("--no-check", action="store_true", help="Do not connect to it.")

    def answer(self, options: dict[str, Any]) -> Answer:
        instance = named_instance(options["instance"])
        if options["off"]:
            _refuse_further_options(options)
            archive = disable_archive(instance)
            return Answer(_fields(archive, []), [f"the binlogs of {instance} are archived no more"])
        names = options["repository"]
        request = ArchiveRequest(
            [named_repository(name) for name in names] if names else None,
            _acknowledge(options),
        )
        checks = [] if options["no_check"] else _check(instance, request.acknowledge)
        archive = enable_archive(instance, request)
        return Answer(_fields(archive, checks), _shown(archive, checks))


def _refuse_further_options(options: dict[str, Any]) -> None:
    if options["repository"] or options["acknowledge"] or options["no_acknowledge"]:
        raise BadInput("--off ends the archive: leave out the other options")


def _acknowledge(options: dict[str, Any]) -> bool | None:
    if options["acknowledge"] and options["no_acknowledge"]:
        raise BadInput("--acknowledge and --no-acknowledge contradict each other")
    return True if options["acknowledge"] else False if options["no_acknowledge"] else None


def _check(instance: Instance, acknowledge: bool | None) -> list[Check]:
    """Check the source; Refused if nothing could be received."""
    if acknowledge is None:
        acknowledge = BinlogArchive.objects.filter(instance=instance, acknowledge=True).exists()
    with closing(connect(login_of(instance))) as connection:
        grants = _check_account(connection)
        return [grants, *check_source(fetch_source(connection), acknowledge=acknowledge)]


def _check_account(connection: Connection[DictCursor]) -> Check:
    check = check_grants(fetch_grants(connection))
    if check.verdict is not Verdict.OK:
        raise Refused(check.found, hint=check.hint)
    return check


def _fields(archive: BinlogArchive, checks: list[Check]) -> dict[str, object]:
    return {
        "instance": archive.instance.name,
        "enabled": archive.enabled,
        "acknowledge": archive.acknowledge,
        "repositories": [repository.name for repository in archive.repositories.all()],
        "server_id": archive.server_id,
        "checks": [check.as_json() for check in checks],
    }


def _shown(archive: BinlogArchive, checks: list[Check]) -> list[str]:
    names = ", ".join(repository.name for repository in archive.repositories.all())
    how = ", acknowledged" if archive.acknowledge else ""
    lines = [f"the binlogs of {archive.instance} are archived in {names}{how}"]
    lines += [f"warning: {each.found}" for each in checks if each.verdict is Verdict.WARNING]
    return lines
