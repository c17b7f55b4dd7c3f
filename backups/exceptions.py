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
    """A check said no before anything was touched: the figures are in the message."""


class BadInput(MooringError):
    """What was asked for does not exist or contradicts itself."""


class IllegalTransition(MooringError):
    """A move the table in ``states`` does not list: a bug, never an operator's fault."""


class Stopped(Exception):
    """The job must end now; raised inside its stages so that each of them tidies up."""


class CancelRequested(Stopped):
    """A person asked for it."""


class NotWanted(Stopped):
    """Whoever asked for it would not ask any more; the text says why."""


class LeaseLost(Stopped):
    """Another process owns the job's rows now: nothing more may be written."""


class EngineError(MooringError):
    """The engine did not make a copy: its exit code, its end marker or its stream says so."""


class InstanceUnreachable(MooringError):
    """No connection to an instance, or one that ended: where it should listen and why not."""


class RunnerError(MooringError):
    """A command could not be started or its host could not be reached."""


class ArchiveError(MooringError):
    """A pack or manifest is not what was written: damaged, incomplete, foreign or too new."""


class CopyChanged(ArchiveError):
    """A stored copy is of another backup, or not the bytes that were registered."""


class KeyUnavailable(MooringError):
    """No key at hand opens this: which one is needed is in the message."""


class RepositoryError(MooringError):
    """A repository could not be read or written, or is not the one it should be."""
