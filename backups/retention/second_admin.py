"""What needs a second admin, how is it requested, and who may confirm it?

In a repository where deleting needs two admins: a purge by a person that deletes at once or may
take the last restorable backup, a shorter purge delay, and switching this off. Retention is no
person. The request holds the facts that matter; where one has changed it must be made again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from backups.activity import record
from backups.catalog.evidence import with_passed_proof, without_faults
from backups.exceptions import BadInput, Refused
from backups.health.usable import lasting_copies, whole_copies
from backups.jobs.request import create_copy_job
from backups.models import Approval, BackupCopy, Job, Repository
from backups.models.activity import Verb
from backups.models.approval import ApprovalKind
from backups.parameters import PurgeParameters
from backups.states import CHOSEN_KINDS, ApprovalStatus, Operation
from backups.transitions.approvals import decide_approval
from backups.typed_json import read_fields
from backups.units import format_duration

EXPIRES_AFTER = timedelta(hours=24)
REASON_LENGTH = 300
# No change that stops a purge: it was requested as the last one, and there is another now.
GETTING_BETTER = ("last_restorable", "last_proven")
AGAIN = "Request it again."


def needs_second_admin(copy: BackupCopy, asked: PurgeParameters) -> bool:
    """Whether a purge that a person requests must be confirmed by a second admin."""
    if not copy.repository.two_admins or asked.retention:
        return False
    if asked.deletion is not None:
        # What was marked without force could be undone all the time.
        return asked.approval is not None
    return asked.force or asked.at_once or copy.repository.purge_delay <= timedelta(0)


def refuse_without_second_admin(copy: BackupCopy, asked: PurgeParameters) -> None:
    """Raise Refused unless just this purge was confirmed, and its facts are still the same."""
    if not needs_second_admin(copy, asked):
        return
    approval = Approval.objects.filter(
        pk=asked.approval or 0, kind=ApprovalKind.PURGE, copy=copy, status=ApprovalStatus.CONFIRMED
    ).first()
    if approval is None:
        raise Refused(
            f"a purge of {copy} that cannot be undone needs two admins",
            hint="Request it on the page of the backup: another admin confirms it.",
        )
    wanted = _asked_of(approval)
    if asked.deletion is None and (wanted.force, wanted.at_once) != (asked.force, asked.at_once):
        raise Refused(f"another purge of {copy} was confirmed", hint=AGAIN)
    _refuse_changed(approval)


def request_purge(
    copy: BackupCopy, asked: PurgeParameters, requester: User, now: datetime
) -> Approval:
    """Request a purge that a second admin must confirm."""
    return _request(
        Approval(
            kind=ApprovalKind.PURGE,
            repository=copy.repository,
            copy=copy,
            asked=asked.write(),
            facts=purge_facts(copy),
            reason=asked.reason[:REASON_LENGTH],
        ),
        requester,
        now,
    )


def request_settings(
    repository: Repository, changes: Mapping[str, object], requester: User, now: datetime
) -> Approval:
    """Request a shorter delay, or that one admin is enough."""
    return _request(
        Approval(
            kind=ApprovalKind.SETTINGS,
            repository=repository,
            asked=dict(changes),
            facts=settings_facts(repository),
        ),
        requester,
        now,
    )


def confirm_approval(approval: Approval, admin: User, now: datetime) -> Job | None:
    """Confirm a request as another admin, and carry it out; return the job of a purge."""
    if approval.requester_id == admin.pk or approval.requested_by == admin.get_username():
        raise Refused(
            "who requested it cannot confirm it", hint="Another admin confirms or rejects it."
        )
    try:
        _refuse_changed(approval)
    except Refused:
        # Recorded before the refusal is shown.
        _decide(approval, ApprovalStatus.OUTDATED, admin, now)
        raise
    with transaction.atomic():
        _decide(approval, ApprovalStatus.CONFIRMED, admin, now)
        if approval.kind == ApprovalKind.SETTINGS:
            _change_settings(approval)
            return None
        return _purge(approval)


def reject_approval(approval: Approval, admin: User, now: datetime) -> None:
    """Reject a request; whoever made it may withdraw it so."""
    _decide(approval, ApprovalStatus.REJECTED, admin, now)


def waiting_approvals(now: datetime) -> QuerySet[Approval]:
    """Return the requests that can be confirmed, the oldest first."""
    waiting = Approval.objects.filter(status=ApprovalStatus.REQUESTED, expires_at__gt=now)
    return waiting.select_related("repository", "copy__backup", "copy__repository").order_by("id")


def asked_in_words(approval: Approval) -> str:
    """Return what is requested, and what makes it grave."""
    asked, facts = approval.asked, approval.facts
    if approval.kind == ApprovalKind.SETTINGS:
        seconds = asked.get("purge_delay_seconds")
        delay = timedelta(seconds=facts["purge_delay_seconds"])
        return "; ".join(
            [
                *(
                    [
                        f"a purge delay of {format_duration(timedelta(seconds=seconds))} "
                        f"instead of {format_duration(delay)}"
                    ]
                    if seconds is not None
                    else []
                ),
                *(["deleting needs one admin only"] if asked.get("two_admins") is False else []),
            ]
        )
    return "; ".join(
        [
            "purge at once" if asked.get("at_once") else "purge",
            *(["even the last restorable backup"] if asked.get("force") else []),
            *(["it is the last restorable backup"] if facts["last_restorable"] else []),
            *(["it is the last proven backup"] if facts["last_proven"] else []),
        ]
    )


def purge_facts(copy: BackupCopy) -> dict[str, object]:
    """Return what must not change between a request, its confirmation and the deletion."""
    others = whole_copies(lasting_copies()).exclude(pk=copy.pk)
    others = others.filter(backup__instance=copy.backup.instance_id)
    # One of chosen tables is never the last that protects its instance.
    whole = copy.backup.kind not in CHOSEN_KINDS
    return {
        "last_restorable": whole and not without_faults(others).exists(),
        "last_proven": whole and not with_passed_proof(others).exists(),
        "manifest_digest": copy.manifest_digest,
    }


def settings_facts(repository: Repository) -> dict[str, object]:
    return {
        "purge_delay_seconds": repository.purge_delay.total_seconds(),
        "two_admins": repository.two_admins,
    }


def _request(approval: Approval, requester: User, now: datetime) -> Approval:
    with transaction.atomic():
        earlier = Approval.objects.filter(
            kind=approval.kind,
            repository=approval.repository,
            copy=approval.copy,
            status=ApprovalStatus.REQUESTED,
            expires_at__gt=now,
        )
        for each in earlier.select_for_update(of=("self",)):
            decide_approval(each, ApprovalStatus.OUTDATED, who=requester.get_username(), now=now)
        approval.requester, approval.requested_by = requester, requester.get_username()
        approval.requested_at, approval.expires_at = now, now + EXPIRES_AFTER
        approval.save(force_insert=True)
        details = {"reason": approval.reason, **approval.asked, **approval.facts}
        record(Verb.REQUESTED, approval, details=details)
    return approval


def _decide(approval: Approval, to: ApprovalStatus, admin: User, now: datetime) -> None:
    if not approval.waiting(now) or not decide_approval(
        approval, to, who=admin.get_username(), now=now
    ):
        approval.refresh_from_db()
        ended = approval.get_status_display().lower() if approval.decided_by else "expired"
        raise Refused(f"the request is {ended}", hint=AGAIN)
    record(
        Verb.CONFIRMED if to is ApprovalStatus.CONFIRMED else Verb.REJECTED,
        approval,
        details={"outcome": to.value, "requested_by": approval.requested_by},
    )


def _refuse_changed(approval: Approval) -> None:
    """Raise Refused if the facts have changed, unless they have become better."""
    if approval.copy is not None:
        present = purge_facts(BackupCopy.objects.get(pk=approval.copy.pk))
    else:
        present = settings_facts(Repository.objects.get(pk=approval.repository_id))
    changed = [
        name.replace("_", " ")
        for name, value in present.items()
        if approval.facts.get(name) != value and (name not in GETTING_BETTER or value)
    ]
    if changed:
        raise Refused(
            f"it is another situation than when it was requested: {', '.join(changed)}", hint=AGAIN
        )


def _purge(approval: Approval) -> Job:
    copy = approval.copy
    assert copy is not None
    asked = _asked_of(approval)
    confirmed = PurgeParameters(
        asked.reason, force=asked.force, at_once=asked.at_once, approval=approval.pk
    )
    return create_copy_job(
        Operation.PURGE, copy, parameters=confirmed, requested_by=approval.requester
    )


def _change_settings(approval: Approval) -> None:
    row = Repository.objects.select_for_update().get(pk=approval.repository_id)
    seconds, two_admins = (approval.asked.get(n) for n in ("purge_delay_seconds", "two_admins"))
    if seconds is not None:
        row.purge_delay = timedelta(seconds=seconds)
    if two_admins is not None:
        row.two_admins = two_admins
    row.save(update_fields=["purge_delay", "two_admins"])
    record(Verb.CHANGED, row, details={"fields": sorted(approval.asked)})


def _asked_of(approval: Approval) -> PurgeParameters:
    try:
        return read_fields(PurgeParameters, approval.asked)
    except BadInput as exc:
        raise BadInput(f"the request {approval.pk} cannot be read: {exc}") from None
