"""What does a schedule do, and if it proves backups: which ones, and how?"""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from backups.models.catalog import Origin
from backups.models.instance import Tag
from backups.states import MOMENTS, PLANNED_OPERATIONS, PROOFS, Operation, ProofChoice, ProofTarget


class ProofSettings(models.Model):
    """Of a verify or a restore test, the schedule's columns about new copies mean nothing."""

    operation = models.CharField(
        max_length=20, choices=PLANNED_OPERATIONS, default=Operation.BACKUP
    )
    # One that runs after another schedule proves the backup of that run instead.
    proof_target = models.CharField(
        max_length=10, choices=ProofTarget.choices, default=ProofTarget.BACKUP
    )
    check_pages = models.BooleanField(
        default=False, help_text="A verify checks every InnoDB page as well."
    )

    proof_choice = models.CharField(
        max_length=10, choices=ProofChoice.choices, default=ProofChoice.EACH
    )
    # Of a sample: within how many days each instance is proven, and what one due time may read.
    proven_within_days = models.PositiveSmallIntegerField(
        default=30, validators=[MinValueValidator(1), MaxValueValidator(366)]
    )
    budget_bytes = models.BigIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)],
        help_text="Most bytes that the proofs of one due time read. Blank: no limit.",
    )  # fmt: skip
    # Instances with one of these come more often.
    important_tags = models.ManyToManyField(Tag, related_name="+", blank=True)

    class Meta:
        abstract = True

    @property
    def proves(self) -> bool:
        """Whether it plans verifies or restore tests: then it protects no instance."""
        return self.operation in PROOFS

    def faults_of_proof(self, origin: str, *, follows: bool) -> dict[str, str]:
        """Return what contradicts the operation, by column."""
        faults: dict[str, str] = {}
        if self.pk is not None:
            before = type(self)._default_manager.filter(pk=self.pk).values_list("operation")
            if before.exclude(operation=self.operation).exists():
                # Its history would change its meaning.
                faults["operation"] = "The operation of a schedule stays: add another schedule."
        if self.check_pages and self.operation != Operation.VERIFY:
            faults["check_pages"] = "Only a verify checks pages."
        if self.proof_target in MOMENTS and self.operation != Operation.RESTORE_TEST:
            faults["proof_target"] = "Only a restore test goes to a moment."
        if follows and self.proof_choice != ProofChoice.EACH:
            faults["proof_choice"] = "After another schedule, the backup of each run is proven."
        if self.proof_choice == ProofChoice.ONCE and self.proof_target != ProofTarget.BACKUP:
            faults["proof_target"] = "Each backup once begins with the newest."
        if self.proves and origin != Origin.MANAGED:
            faults["origin"] = "Only backups are taken by other tools and observed."
        return faults
