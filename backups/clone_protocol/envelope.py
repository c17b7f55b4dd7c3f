"""How are commands and answers framed? One byte for the kind, then a body.

All integers in here are little-endian, unlike those of the descriptors inside.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass

from backups.clone_protocol.errors import ProtocolError

# 0x0102: plugins with their libraries, and further settings. Older donors answer with their
# version.
PROTOCOL = 0x0102
OLDEST_PROTOCOL = 0x0100
INNODB = 12
# With this bit in INIT's time-out the donor takes no backup lock: DDL is not blocked.
_DDL_ALLOWED = 1 << 31


class Command(enum.IntEnum):
    """The commands of a client."""

    INIT = 1
    ATTACH = 2
    REINIT = 3
    EXECUTE = 4
    ACK = 5
    EXIT = 6


class Response(enum.IntEnum):
    """The responses of a donor."""

    LOCATORS = 1
    DESCRIPTOR = 2
    DATA = 3
    PLUGIN = 4
    SETTING = 5
    COLLATION = 6
    PLUGIN_V2 = 7
    SETTING_V3 = 8
    SETTING_V4 = 9
    COMPLETE = 99
    ERROR = 100


@dataclass(frozen=True, slots=True)
class Locator:
    """Identifies a clone to one storage engine of the donor; its content is opaque."""

    engine: int
    content: bytes

    def build(self) -> bytes:
        return struct.pack("<BI", self.engine, len(self.content)) + self.content


@dataclass(frozen=True, slots=True)
class Opening:
    """The body of INIT, ATTACH and REINIT."""

    protocol: int
    ddl_timeout_seconds: int
    ddl_allowed: bool
    locators: tuple[Locator, ...] = ()

    def build(self) -> bytes:
        timeout = self.ddl_timeout_seconds | (_DDL_ALLOWED if self.ddl_allowed else 0)
        head = struct.pack("<II", self.protocol, timeout)
        return head + b"".join(locator.build() for locator in self.locators)

    @classmethod
    def parse(cls, body: bytes | memoryview) -> Opening:
        reader = _Reader(body)
        protocol, timeout = reader.u32(), reader.u32()
        allowed = bool(timeout & _DDL_ALLOWED)
        return cls(protocol, timeout & ~_DDL_ALLOWED, allowed, reader.locators())


@dataclass(frozen=True, slots=True)
class Ack:
    """The body of ACK: a state's end is acknowledged, or (``error``) the clone is aborted."""

    error: int
    locator: Locator
    descriptor: bytes = b""

    def build(self) -> bytes:
        head = struct.pack("<i", self.error) + self.locator.build()
        return head + struct.pack("<I", len(self.descriptor)) + self.descriptor

    @classmethod
    def parse(cls, body: bytes | memoryview) -> Ack:
        reader = _Reader(body)
        error, locator, descriptor = reader.i32(), reader.locator(), reader.counted()
        reader.finish()
        return cls(error, locator, descriptor)


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin of the donor; its library is "" if built in, None if an old donor omits it."""

    name: str
    library: str | None = None

    def build(self) -> bytes:
        library = b"" if self.library is None else _counted(self.library)
        return _counted(self.name) + library


@dataclass(frozen=True, slots=True)
class Collation:
    """A collation of the donor."""

    name: str

    def build(self) -> bytes:
        return _counted(self.name)


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of the donor."""

    name: str
    value: str

    def build(self) -> bytes:
        return _counted(self.name) + _counted(self.value)


@dataclass(frozen=True, slots=True)
class Locators:
    """The protocol version a donor chose, and the locators of the clone it has started."""

    protocol: int
    locators: tuple[Locator, ...]

    def build(self) -> bytes:
        head = struct.pack("<I", self.protocol)
        return head + b"".join(locator.build() for locator in self.locators)


@dataclass(frozen=True, slots=True)
class Described:
    """A descriptor of one storage engine, still to be parsed."""

    engine: int
    locator_index: int
    descriptor: bytes

    def build(self) -> bytes:
        return bytes((self.engine, self.locator_index)) + self.descriptor


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the donor aborted."""

    code: int
    message: str

    def build(self) -> bytes:
        return struct.pack("<i", self.code) + self.message.encode()


@dataclass(frozen=True, slots=True)
class Complete:
    """A command has been answered."""

    def build(self) -> bytes:
        return b""


Answer = Plugin | Collation | Setting | Locators | Described | Failure | Complete
_CODES = {int(response) for response in Response}
_NAMED = {Response.PLUGIN, Response.COLLATION}
_SETTINGS = {Response.SETTING, Response.SETTING_V3, Response.SETTING_V4}


def parse_answer(message: bytes | memoryview) -> Answer:
    """Parse a whole message other than data, or raise ProtocolError."""
    response, body = response_of(message), memoryview(message)[1:]
    if response is Response.ERROR:
        return _failure(body)
    if response is Response.DATA:
        raise ProtocolError("the donor sent data without a descriptor")
    reader = _Reader(body)
    answer = _read_answer(response, reader)
    reader.finish()
    return answer


def response_of(message: bytes | memoryview) -> Response:
    """Return which response a message is."""
    if not len(message) or message[0] not in _CODES:
        description = f"response {message[0]}" if len(message) else "empty response"
        raise ProtocolError(f"the donor sent the unknown {description}")
    return Response(message[0])


def _read_answer(response: Response, reader: _Reader) -> Answer:
    if response is Response.COMPLETE:
        return Complete()
    if response is Response.LOCATORS:
        return Locators(reader.u32(), reader.locators())
    if response is Response.DESCRIPTOR:
        return Described(reader.u8(), reader.u8(), reader.rest())
    if response in _NAMED:
        name = reader.text()
        return Plugin(name) if response is Response.PLUGIN else Collation(name)
    pair = reader.text(), reader.text()
    return Setting(*pair) if response in _SETTINGS else Plugin(*pair)


def _failure(body: memoryview) -> Failure:
    reader = _Reader(body)
    # A message may be cut within a multi-byte character.
    return Failure(reader.i32(), reader.rest().decode(errors="replace"))


def _counted(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("<I", len(encoded)) + encoded


class _Reader:
    """Parses a body from its start; missing bytes are a ProtocolError."""

    def __init__(self, body: bytes | memoryview) -> None:
        self._left = memoryview(body)

    def u8(self) -> int:
        return self._take(1)[0]

    def u32(self) -> int:
        return int.from_bytes(self._take(4), "little")

    def i32(self) -> int:
        return int.from_bytes(self._take(4), "little", signed=True)

    def counted(self) -> bytes:
        return bytes(self._take(self.u32()))

    def text(self) -> str:
        try:
            return self.counted().decode()
        except UnicodeDecodeError:
            raise ProtocolError("the donor sent a text that is not UTF-8") from None

    def locator(self) -> Locator:
        return Locator(self.u8(), self.counted())

    def locators(self) -> tuple[Locator, ...]:
        result: list[Locator] = []
        while self._left:
            result.append(self.locator())
        return tuple(result)

    def rest(self) -> bytes:
        return bytes(self._take(len(self._left)))

    def finish(self) -> None:
        if self._left:
            raise ProtocolError(f"a message has {len(self._left)} bytes after its end")

    def _take(self, size: int) -> memoryview:
        if len(self._left) < size:
            raise ProtocolError(f"a message ends where {size} bytes were due")
        taken, self._left = self._left[:size], self._left[size:]
        return taken
