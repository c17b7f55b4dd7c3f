"""Where do the hooks of this host run among the stages of a job, and however it ends?

Before hooks and those around the copy are stages like others. After hooks follow once it is
certain how the job ends; they cannot change that. A run that has lost its lease runs none: who
clears up after it does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from django.db import transaction
from django.utils.timezone import now

from backups.exceptions import CancelRequested, LeaseLost, NoLongerNeeded
from backups.hooks.owed import owed_here
from backups.hooks.rows import note_left_out, write_rows
from backups.hooks.selection import hooks_for
from backups.models import Job
from backups.running.run import Run
from backups.running.stage_rows import StageRows
from backups.stages.backup.copy import Copy
from backups.stages.base import Stage
from backups.stages.hook import RunHook, RunOwed
from backups.states import HookTime, JobStatus
from backups.transitions.jobs import own

logger = logging.getLogger(__name__)

# The stages of an operation pass each other a work object of its own type.
AnyStage: TypeAlias = Stage[Any]
# Runs one of the stages of a job, and keeps its row.
RunNumbered: TypeAlias = Callable[[int, AnyStage], None]


@dataclass(slots=True)
class HookedStages:
    """The stages of a job with its hooks among them."""

    stages: list[AnyStage]
    # Those that follow, however the job ends.
    after: list[RunHook] = field(default_factory=list)

    @property
    def all(self) -> list[AnyStage]:
        """All of them, in the order of their rows."""
        return [*self.stages, *self.after]

    @property
    def after_copy(self) -> list[tuple[int, RunHook]]:
        """The hooks after the copy, with their numbers."""
        return [
            (number, stage)
            for number, stage in enumerate(self.stages)
            if isinstance(stage, RunHook) and stage.hook.when is HookTime.AFTER_COPY
        ]


def with_hooks(run: Run, stages: Sequence[AnyStage]) -> HookedStages:
    """Put the hooks of a job that begins among its stages, and write their rows."""
    hooks = hooks_for(run.job)
    if not hooks:
        return HookedStages(list(stages))
    rows = write_rows(run.job, hooks)
    made = [RunHook(hook, row) for hook, row in zip(hooks, rows, strict=True)]
    at = {when: [stage for stage in made if stage.hook.when is when] for when in HookTime}
    around: list[AnyStage] = []
    if owed_here(run.job.instance).exists():
        around.append(RunOwed(run.job.instance, run.check))
    around += at[HookTime.BEFORE]
    for stage in stages:
        is_copy = isinstance(stage, Copy)
        around += at[HookTime.BEFORE_COPY] if is_copy else []
        around.append(stage)
        around += at[HookTime.AFTER_COPY] if is_copy else []
    return HookedStages(around, at[HookTime.AFTER])


def release_copy(
    run: Run,
    rows: StageRows,
    hooked: HookedStages,
    ran: Sequence[AnyStage],
    result: JobStatus,
    run_numbered: RunNumbered,
) -> None:
    """Run the hooks after the copy of a job that did not get so far, before it is cleaned up.

    What a hook before the copy holds up must not wait until bytes are removed.
    """
    left = [(number, stage) for number, stage in hooked.after_copy if stage not in ran]
    if any(map(_begins_copy, ran)):
        run_late(run, rows, left, result, "", run_numbered)
        return
    for _, stage in left:
        # Unwritten, the tick finds out the same.
        with suppress(Exception):
            note_left_out(stage.row, run.token)


def run_late(
    run: Run,
    rows: StageRows,
    hooks: Iterable[tuple[int, RunHook]],
    result: JobStatus,
    error: str,
    run_numbered: RunNumbered,
) -> None:
    """Run hooks of a job that ends with ``result``. What cannot be run now, the tick runs."""
    if result is JobStatus.LOST:
        return
    for number, stage in hooks:
        stage.result, stage.error = result, error
        try:
            if stage.should_run(run, None):
                run_numbered(number, stage)
            else:
                rows.skip(number, now())
        except (SystemExit, KeyboardInterrupt) as exc:
            # Shut down: the job still ends in order.
            run.shutdown = exc if isinstance(exc, SystemExit) else SystemExit(130)
            return
        except LeaseLost:
            return
        except Exception:
            logger.exception(
                "%s: %s did not run to its end",
                run.job,
                stage.title,
                extra={"action": "hook_left", "job_id": run.job.pk},
            )


def result_of(reason: BaseException, *, refused: bool) -> JobStatus:
    """Return how a job ends that was ended by ``reason``."""
    if isinstance(reason, LeaseLost):
        return JobStatus.LOST
    if isinstance(reason, CancelRequested | KeyboardInterrupt | NoLongerNeeded):
        return JobStatus.CANCELLED
    return JobStatus.REFUSED if refused else JobStatus.FAILED


def record_problems(run: Run) -> None:
    """Add the problems of hooks to those of the job; without effect after the lease is lost."""
    with suppress(LeaseLost), transaction.atomic():
        known = Job.objects.values_list("problems", flat=True).get(pk=run.job.pk)
        own(run.job, run.token, problems="\n".join([*known.splitlines(), *run.problems]))


def _begins_copy(stage: AnyStage) -> bool:
    is_hook = isinstance(stage, RunHook) and stage.hook.when is HookTime.BEFORE_COPY
    return is_hook or isinstance(stage, Copy)
