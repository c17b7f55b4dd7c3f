"""How far is the donor? Checks the order of states and files on the main connection."""

from __future__ import annotations

from backups.clone_protocol.descriptors import (
    DataDescriptor,
    FileDescriptor,
    State,
    StateDescriptor,
)
from backups.clone_protocol.errors import ProtocolError

# States that announce every file at their start; others announce only changes by DDL.
_ANNOUNCED = {State.FILE_COPY, State.REDO_COPY}


class DonorProgress:
    """The state of the donor; anything out of order is a ProtocolError."""

    def __init__(self) -> None:
        self.state = State.INIT
        self._ended = False
        self._files_due = 0
        # Whether every file of this state is known, so that any connection may send its bytes.
        self.is_open = False

    def start(self, descriptor: StateDescriptor) -> None:
        if not self._ended or descriptor.state != self.state + 1:
            raise ProtocolError(f"the donor began {descriptor.state.name} in {self._where()}")
        self.state, self._ended = descriptor.state, False
        self._files_due = descriptor.files if self.state in _ANNOUNCED else 0
        self.is_open = not self._files_due

    def end(self, descriptor: StateDescriptor) -> None:
        if self._ended or descriptor.state is not self.state:
            raise ProtocolError(f"the donor ended {descriptor.state.name} in {self._where()}")
        self._ended = self.is_open = True

    def count(self, descriptor: FileDescriptor | DataDescriptor) -> None:
        """Count a file or bytes."""
        is_file = isinstance(descriptor, FileDescriptor)
        # Changes by DDL are sent between two states, as part of the next.
        due = self.state + 1 if self._ended and is_file else self.state
        if descriptor.state != due or (self._ended and not is_file):
            kind = "a file" if is_file else "bytes"
            raise ProtocolError(
                f"the donor sent {kind} of {descriptor.state.name} in {self._where()}"
            )
        if not self._ended:
            self._files_due -= is_file
            self.is_open = not is_file or self._files_due <= 0

    def finish(self) -> None:
        """Check that the donor ends only after the last state."""
        if self.state is not State.DONE:
            raise ProtocolError(f"the donor reported completion in {self._where()}")

    def _where(self) -> str:
        return f"{self.state.name}, which has ended" if self._ended else self.state.name
