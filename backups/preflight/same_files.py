"""Would the tool read the files of the server that was connected to?

The redo log on the host shows it, where its format is known. Elsewhere it cannot be proven before
a copy is complete, and a backup is refused until an admin confirms it, for these files of this
server.
"""

from __future__ import annotations

from backups.checks import Check, Verdict
from backups.instances.facts import ServerFacts
from backups.models import Instance
from backups.preflight.survey import Survey

NAME = "one server"


def check_same_files(survey: Survey, facts: ServerFacts) -> Check:
    """Check that the files are of the server, by its last checkpoint or by an admin's word."""
    files = unproven_files(survey)
    if files is None:
        return Check(NAME, Verdict.UNKNOWN, "not checked: the files cannot be read")
    if files:
        return _check_confirmation(survey, facts, files)
    if _fits(survey, facts):
        found = f"the redo log here has the server's checkpoint {survey.found_checkpoint}"
        return Check(NAME, Verdict.OK, found)
    return Check(
        NAME,
        Verdict.FAILED,
        f"the files in {facts.datadir} here are of another server: their checkpoint is "
        f"{survey.found_checkpoint}, the server's is {facts.checkpoint_lsn}",
        "Run the tool on the server's own host (--runner ssh), where its data folder is.",
    )


def unproven_files(survey: Survey) -> str | None:
    """Name the files and the server that cannot be compared; blank if they can.

    None: nothing is known of one of them. Another server, folder or host has another name.
    """
    facts, host = survey.facts, survey.host
    if facts is None or host is None or host.files is None or host.files.unreadable:
        return None
    if None not in (survey.found_checkpoint, facts.checkpoint_lsn, survey.lsn_after):
        return ""
    return f"{facts.datadir} on {host.hostname or 'an unnamed host'} and server {facts.identity}"


def note_unproven_files(instance: Instance, survey: Survey) -> None:
    """Store what could not be proven, so that pages show it and an admin can confirm it."""
    files = unproven_files(survey)
    another = survey.facts is not None and survey.known_identity not in ("", survey.facts.identity)
    if files is None or another or files == instance.files_unproven:
        return
    instance.files_unproven = files
    Instance.objects.filter(pk=instance.pk).update(files_unproven=files)


def _check_confirmation(survey: Survey, facts: ServerFacts, files: str) -> Check:
    found = f"not proven that the files in {facts.datadir} here are this server's"
    if survey.confirmed is not None and survey.confirmed.files == files:
        by, at = survey.confirmed.by, survey.confirmed.at
        return Check(NAME, Verdict.WARNING, f"{found}; confirmed by {by} on {at:%Y-%m-%d}")
    return Check(
        NAME,
        Verdict.FAILED,
        found,
        f"Make sure that they are, then confirm it: confirmfiles {survey.name}, or on its page.",
    )


def _fits(survey: Survey, facts: ServerFacts) -> bool:
    here, before, after = survey.found_checkpoint, facts.checkpoint_lsn, survey.lsn_after
    assert here is not None and before is not None and after is not None
    return before <= here <= after
