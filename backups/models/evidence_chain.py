"""The chain of an instance's evidence: one link per row, each with a hash over the one before."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from backups.models.catalog import Evidence
from backups.models.drill import Drill
from backups.models.instance import Instance
from backups.models.rehearsal import Rehearsal

# Before the first link.
NO_DIGEST = ""


class EvidenceChain(models.Model):
    """Where the chain of an instance ends, and how far it was verified.

    The row is the lock under which links are appended.
    """

    instance = models.OneToOneField(Instance, models.PROTECT, related_name="evidence_chain")
    length = models.PositiveBigIntegerField(default=0)
    # The digest of the last link.
    head = models.CharField(max_length=64, blank=True, default=NO_DIGEST)
    # The last link that a tick or a command found in order, and its digest.
    verified_length = models.PositiveBigIntegerField(default=0)
    verified_head = models.CharField(max_length=64, blank=True, default=NO_DIGEST)
    verified_at = models.DateTimeField(null=True, blank=True)
    # When it was last verified from its first link.
    fully_verified_at = models.DateTimeField(null=True, blank=True)
    # What breaks it, and since when; blank and null if nothing does.
    fault = models.CharField(max_length=300, blank=True)
    faulty_since = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["instance"]
        indexes = [
            models.Index(
                fields=["instance"],
                name="backups_evidence_chain_faulty",
                condition=~Q(fault=""),
            ),
            models.Index(fields=["fully_verified_at"], name="backups_evidence_chain_due"),
        ]

    def __str__(self) -> str:
        return f"evidence of {self.instance.name}"


class EvidenceLink(models.Model):
    """One row of evidence in the chain of its instance. Never edited and never deleted."""

    instance = models.ForeignKey(Instance, models.PROTECT, related_name="evidence_links")
    # From 1, without a gap.
    number = models.PositiveBigIntegerField()
    # PROTECT: a row in a chain stays. Exactly one of them is set.
    evidence = models.OneToOneField(Evidence, models.PROTECT, null=True, related_name="link")
    drill = models.OneToOneField(Drill, models.PROTECT, null=True, related_name="link")
    rehearsal = models.OneToOneField(Rehearsal, models.PROTECT, null=True, related_name="link")
    # SHA-256 of the row's content; see ``backups.evidence_chain.content``.
    content_digest = models.CharField(max_length=64)
    # The digest of the link before; blank for the first.
    previous = models.CharField(max_length=64, blank=True)
    # SHA-256 over the chain, the number, the content's digest and the link before.
    digest = models.CharField(max_length=64)

    class Meta:
        ordering = ["instance", "number"]
        constraints = [
            # Two writers that did not see each other cannot both have the same place.
            models.UniqueConstraint(
                fields=["instance", "number"], name="backups_evidence_link_one_per_number"
            ),
            models.CheckConstraint(
                condition=(
                    Q(evidence__isnull=False, drill=None, rehearsal=None)
                    | Q(evidence=None, drill__isnull=False, rehearsal=None)
                    | Q(evidence=None, drill=None, rehearsal__isnull=False)
                ),
                name="backups_evidence_link_one_row",
            ),
        ]

    def __str__(self) -> str:
        return f"link {self.number} of the evidence of {self.instance.name}"

    @property
    def row(self) -> Evidence | Drill | Rehearsal | None:
        """What it links; None if that row is gone from the database."""
        return self.evidence or self.drill or self.rehearsal
