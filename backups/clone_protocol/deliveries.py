"""What arrives on a connection after EXECUTE? Descriptors, and the bytes of data descriptors."""

from __future__ import annotations

from collections.abc import Iterator

from backups.clone_protocol.descriptors import DataDescriptor, Descriptor, parse_descriptor
from backups.clone_protocol.envelope import INNODB, Complete, Described, Response, response_of
from backups.clone_protocol.errors import ProtocolError
from backups.clone_protocol.transport import CloneConnection

Delivery = tuple[Descriptor, memoryview]
NOTHING = memoryview(b"")


def deliveries(channel: CloneConnection) -> Iterator[Delivery]:
    """Yield what the donor sends until it reports completion; DonorError if it aborts."""
    while not isinstance(answer := channel.answer(), Complete):
        if not isinstance(answer, Described):
            raise ProtocolError(f"the donor sent a {type(answer).__name__.lower()} while copying")
        if answer.engine != INNODB:
            raise ProtocolError(f"the donor sent files of storage engine {answer.engine}")
        descriptor = parse_descriptor(answer.descriptor)
        wanted = descriptor.length if isinstance(descriptor, DataDescriptor) else 0
        yield descriptor, _read_data(channel, wanted) if wanted else NOTHING


def _read_data(channel: CloneConnection, length: int) -> memoryview:
    """Return the bytes that a data descriptor announced: exactly one message of that length."""
    message = channel.receive()
    if message[0] != Response.DATA:
        # If the donor could not read its file, the error is sent in place of the bytes.
        channel.parse(message)
        raise ProtocolError(f"the donor sent {response_of(message).name} where data was due")
    if len(message) - 1 != length:
        raise ProtocolError(f"the donor sent {len(message) - 1} bytes where {length} were due")
    return message[1:]
