"""Everything the executor raises on purpose. ``MooringError`` is the root.

An error says what failed, on what, and (as ``hint``) what to do. None may carry a secret:
its text is stored on the job and shown to people.
"""

from __future__ import annotations


class MooringError(Exception):
    """Something failed that a person should read about."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class StageFailed(MooringError):
    """A stage could not do its work."""


class Refused(MooringError):
    """A check failed before anything was changed: the figures are in the message."""


class Tolerated(MooringError):
    """A stage failed, and its job continues: if it succeeds, it does so with this problem."""


class BadInput(MooringError):
    """The request names something that does not exist, or contradicts itself."""


class IllegalTransition(MooringError):
    """A transition that ``states`` does not list: a bug, never an operator's fault."""


class Stopped(Exception):
    """The job must end now; raised inside its stages so that each of them cleans up."""


class CancelRequested(Stopped):
    """A cancel was requested."""


class NoLongerNeeded(Stopped):
    """The reason for the job no longer applies; the text says why."""


class LeaseLost(Stopped):
    """Another process owns the job's rows now: nothing more may be written."""


class EngineError(MooringError):
    """The engine made no valid copy, by its exit code, its end marker or its stream."""


class StrayFile(EngineError):
    """Files in the data directory, not the server's, stop the engine; ``files`` are named in it."""

    def __init__(
        self, message: str, *, hint: str, files: tuple[str, ...], space: int | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.files, self.space = files, space


class LockNotGranted(EngineError):
    """The engine gave up its wait for a lock on the instance; others had waited behind it."""


class InstanceUnreachable(MooringError):
    """No connection to an instance, or a lost one: its address and the cause."""


class RunnerError(MooringError):
    """A command could not be started or its host could not be reached."""


class ArchiveError(MooringError):
    """A pack or manifest is not what was written: damaged, incomplete, foreign or too new."""


class CopyChanged(ArchiveError):
    """A stored copy is of another backup, or not the bytes that were registered."""


class BinlogDamaged(MooringError):
    """Bytes of a binary log are not what a server writes: which event, where, what is wrong."""


class KeyUnavailable(MooringError):
    """No available key opens this: the message names the one that is needed."""


class RepositoryError(MooringError):
    """A repository could not be read or written, or is not the one it should be.

    ``transient``: whether the same may succeed in a moment.
    """

    def __init__(self, message: str, *, hint: str = "", transient: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.transient = transient
