"""Can the binlogs of a server be archived? The checks before an archive, which doctor shows too."""

from __future__ import annotations

from contextlib import closing

from backups.binlog_archive.reader import missing_keys
from backups.binlog_archive.receiving.source import SourceFacts, fetch_source, warnings_of
from backups.checks import Check, Verdict
from backups.exceptions import MooringError
from backups.instances.connection import connect, login_of
from backups.instances.facts import ServerFacts
from backups.instances.grants import (
    NEEDED_TO_ARCHIVE,
    Grants,
    grant_statement,
    missing_privileges,
)
from backups.keys.load import known_keys
from backups.models.binlog import BinlogArchive
from backups.models.instance import Instance

NAME = "binlog archive"


def check_grants(grants: Grants) -> Check:
    """Check that the account may receive binlogs."""
    name = f"{NAME}: privileges"
    missing = missing_privileges(grants, NEEDED_TO_ARCHIVE)
    if not missing:
        return Check(name, Verdict.OK, f"{', '.join(NEEDED_TO_ARCHIVE)} are granted")
    return Check(
        name,
        Verdict.WARNING,
        f"the account lacks {', '.join(missing)}: its binlogs cannot be received",
        f"Run {grant_statement(grants.account, missing)}",
    )


def check_source(facts: SourceFacts, *, acknowledge: bool) -> list[Check]:
    """Check what the source's settings mean for the archive."""
    found = warnings_of(facts, acknowledge=acknowledge)
    if not found:
        return [Check(NAME, Verdict.OK, f"{len(facts.files)} binary logs at the source")]
    return [Check(NAME, Verdict.WARNING, each) for each in found]


def check_keys(instance: Instance) -> Check:
    """Check that there is a key for every stored piece."""
    name, keyring = f"{NAME}: keys", known_keys()
    if not (missing := missing_keys(instance, keyring)):
        return Check(name, Verdict.OK, "every stored piece can be opened")
    return Check(
        name,
        Verdict.WARNING,
        f"stored pieces are encrypted with keys that are missing: {', '.join(missing)}",
        "Add the lines of these keys to the key file below its first line.",
    )


def archive_checks(instance: Instance, facts: ServerFacts | None) -> list[Check]:
    """Check the source of an instance that has an archive; nothing of one that has none."""
    archive = BinlogArchive.objects.filter(instance=instance, enabled=True).first()
    if archive is None or facts is None:
        return []
    grants, keys = check_grants(facts.grants), check_keys(instance)
    if grants.verdict is not Verdict.OK:
        return [grants, keys]
    try:
        with closing(connect(login_of(instance))) as connection:
            source = fetch_source(connection)
    except MooringError as exc:
        return [grants, keys, Check(NAME, Verdict.WARNING, str(exc), exc.hint)]
    return [grants, keys, *check_source(source, acknowledge=archive.acknowledge)]
