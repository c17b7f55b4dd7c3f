"""Rows of evidence in a chain, as stages write them."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction

from backups.evidence_chain.append import append
from backups.models import BackupCopy, Drill, Evidence, EvidenceChain, EvidenceLink, Rehearsal
from backups.states import DrillPoint
from tests.monitor.rows import T0


def add_evidence(copy: BackupCopy, *, passed: bool = True, **more: object) -> EvidenceLink:
    fields = {"operation": "restore_test", "report": {"tables": [], "seconds": 2.0}} | more
    with transaction.atomic():
        return append(Evidence.objects.create(copy=copy, passed=passed, **fields))


def add_drill(copy: BackupCopy) -> EvidenceLink:
    with transaction.atomic():
        drill = Drill.objects.create(
            instance=copy.backup.instance, copy=copy, point=DrillPoint.RANDOM, moment=T0,
            range_from=T0, range_to=T0, passed=True, stages={"extract": 1.0, "replay": 2.5},
            recovery_time=timedelta(seconds=41, microseconds=7),
        )  # fmt: skip
        return append(drill)


def add_rehearsal(copy: BackupCopy) -> EvidenceLink:
    with transaction.atomic():
        rehearsal = Rehearsal.objects.create(
            instance=copy.backup.instance, copy=copy, passed=True, upgraded_to="MariaDB 11.8.3",
            program="/opt/newer/bin/mariadbd", took=timedelta(seconds=5),
        )  # fmt: skip
        return append(rehearsal)


def chain_of(copy: BackupCopy) -> EvidenceChain:
    return EvidenceChain.objects.select_related("instance").get(instance=copy.backup.instance)
