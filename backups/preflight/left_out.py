"""Which repositories would a backup leave out, and which of the checks then forbid nothing?

A backup that goes to several repositories goes on without those that cannot be used, as long as
one is left. What forbids nothing is a warning that names the missing copy. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from backups.checks import Check, Verdict, failed
from backups.preflight.checks import Preflight, checks_of_repositories


@dataclass(frozen=True, slots=True)
class JudgedChecks:
    """Checks with the verdicts that they have for a backup to all of the repositories."""

    checks: tuple[Check, ...]
    # Names of the repositories that would have no copy; none where every one is unfit.
    left_out: tuple[str, ...] = ()

    @property
    def missing_copies(self) -> str:
        """Which copies a backup would lack, in words; blank if none."""
        return f"no copy in {', '.join(self.left_out)}" if self.left_out else ""


def judge_together(preflight: Preflight) -> JudgedChecks:
    """Judge the checks as the stage preflight of a backup to these repositories does."""
    return without_unfit(preflight.checks, checks_of_repositories(preflight.survey))


def without_unfit(checks: Sequence[Check], about: Mapping[str, Sequence[Check]]) -> JudgedChecks:
    """``about``: by repository, the checks that are about it alone."""
    unfit = {name: failed(of_one) for name, of_one in about.items() if failed(of_one)}
    if len(unfit) == len(about):
        return JudgedChecks(tuple(checks))
    excused = {check: name for name, bad in unfit.items() for check in bad}
    return JudgedChecks(
        tuple(_excuse(check, excused[check]) if check in excused else check for check in checks),
        tuple(unfit),
    )


def _excuse(check: Check, repository: str) -> Check:
    found = f"{check.found}; a backup to several repositories goes to the others, its copy in "
    return replace(check, verdict=Verdict.WARNING, found=f"{found}{repository} will be missing")
