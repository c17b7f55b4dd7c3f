"""A donor of our own: a real server socket that speaks enough MySQL and plays a script."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType

from backups.clone_protocol.descriptors import (
    DataDescriptor,
    Descriptor,
    FileDescriptor,
    FileFlag,
    State,
    StateDescriptor,
    StateFlag,
    TaskDescriptor,
)
from backups.clone_protocol.endpoint import Endpoint, Tls
from backups.clone_protocol.envelope import (
    INNODB,
    Ack,
    Collation,
    Command,
    Described,
    Failure,
    Locator,
    Locators,
    Opening,
    Plugin,
    Response,
    Setting,
)
from backups.clone_protocol.transport import LONGEST_PACKET

LOCATOR = Locator(INNODB, b"which clone this is")
OK = b"\x00\x00\x00\x02\x00\x00\x00"
COM_QUIT, COM_CLONE = 1, 32


class Cut(Exception):
    """The script says: end this connection without a word."""


@dataclass(frozen=True, slots=True)
class AwaitAck:
    """Wait until the client has acknowledged the state that just ended."""

    keep_alives: int = 0


@dataclass(frozen=True, slots=True)
class AwaitEvent:
    """Say nothing until a test lets the donor go on, or hangs up."""

    event: threading.Event


CUT = Cut()
Step = bytes | AwaitAck | AwaitEvent | Cut


def message(response: int, body: bytes = b"") -> bytes:
    return bytes((response,)) + body


def described(descriptor: Descriptor) -> bytes:
    return message(Response.DESCRIPTOR, Described(INNODB, 0, descriptor.build()).build())


def state(which: State, flag: StateFlag, *, files: int = 0, size: int = 0) -> bytes:
    return described(StateDescriptor(which, 0, 0, files, size, size, flag))


def start(which: State, *, files: int = 0, size: int = 0) -> bytes:
    return state(which, StateFlag.START, files=files, size=size)


def end(which: State) -> bytes:
    return state(which, StateFlag.END)


def file(which: State, index: int, name: bytes, *, flags: int = 0, size: int = 0) -> bytes:
    return described(
        FileDescriptor(which, size, size, 0, 4096, FileFlag(flags), index, index, 1, 1, name)
    )


def block(which: State, index: int, offset: int, content: bytes) -> list[Step]:
    where = DataDescriptor(which, 0, 1, 1, index, len(content), offset, 0)
    return [described(where), message(Response.DATA, content)]


COMPLETE = message(Response.COMPLETE)


def failure(code: int = 1105, text: str = "something broke") -> bytes:
    return message(Response.ERROR, Failure(code, text).build())


INTRODUCTION: list[Step] = [
    message(Response.PLUGIN_V2, Plugin("clone", "mysql_clone.so").build()),
    message(Response.COLLATION, Collation("utf8mb4_bin").build()),
    message(Response.SETTING, Setting("innodb_page_size", "16384").build()),
    message(Response.LOCATORS, Locators(0x0102, (LOCATOR,)).build()),
    COMPLETE,
]


def small_copy(*between_file_and_page: Step) -> list[Step]:
    """A whole clone of two files, one page of them sent again, and a redo file."""
    return [
        described(TaskDescriptor(0, 0, 0)),
        end(State.INIT),
        AwaitAck(),
        start(State.FILE_COPY, files=2, size=8),
        file(State.FILE_COPY, 0, b"ibdata1", size=4),
        file(State.FILE_COPY, 1, b"./shop/t.ibd", size=4),
        *block(State.FILE_COPY, 0, 0, b"AAAA"),
        *block(State.FILE_COPY, 1, 0, b"BBBB"),
        end(State.FILE_COPY),
        AwaitAck(keep_alives=2),
        *between_file_and_page,
        start(State.PAGE_COPY),
        *block(State.PAGE_COPY, 1, 2, b"bb"),
        end(State.PAGE_COPY),
        AwaitAck(),
        start(State.REDO_COPY, files=1, size=4),
        file(State.REDO_COPY, 0, b"", size=4),
        file(State.REDO_COPY, 0, b"", size=4),
        *block(State.REDO_COPY, 0, 0, b"redo"),
        end(State.REDO_COPY),
        AwaitAck(),
        start(State.DONE),
        COMPLETE,
    ]


@dataclass
class Donor:
    """What this donor does, and what it has seen. Use as a context."""

    copy: Sequence[Step] = field(default_factory=small_copy)
    introduction: Sequence[Step] = field(default_factory=lambda: list(INTRODUCTION))
    # What each further connection plays after ATTACH and EXECUTE.
    shares: Sequence[Sequence[Step]] = ()
    refuse_clone: tuple[int, str] | None = None
    refuse_attach: tuple[int, str] | None = None
    server_version: str = "9.7.4-test"

    def __post_init__(self) -> None:
        self.openings: list[Opening] = []
        self.acks: list[Ack] = []
        self.exits = 0
        self.given_up = threading.Event()
        self.play = threading.Event()
        self._acked = threading.Semaphore(0)
        self._shares = iter(self.shares)
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint("don", "secret", port=self._listener.getsockname()[1], tls=Tls.OFF)

    def __enter__(self) -> Donor:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.given_up.set()
        for taken in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                taken.shutdown(socket.SHUT_RDWR)
            taken.close()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                taken, _ = self._listener.accept()
                self._sockets.append(taken)
                self._start(self._serve, taken)

    def _serve(self, taken: socket.socket) -> None:
        with contextlib.suppress(OSError, Cut, EOFError), Line(taken) as line:
            self._greet(line)
            while (command := line.receive())[0] != COM_QUIT:
                if command[0] != COM_CLONE:
                    line.send(OK, sequence=1)
                elif self.refuse_clone is None:
                    line.send(OK, sequence=1)
                    self._speak(line)
                else:
                    line.send(error_packet(*self.refuse_clone), sequence=1)

    def _greet(self, line: Line) -> None:
        capabilities = 0x000FA20D | 1 << 19
        line.send(
            b"\x0a" + self.server_version.encode() + b"\0" + struct.pack("<I", 7) + b"12345678\0"
            + struct.pack("<HBHH", capabilities & 0xFFFF, 45, 2, capabilities >> 16)
            + bytes((21,)) + bytes(10) + b"123456789012\0mysql_native_password\0"
        )  # fmt: skip
        line.receive()
        line.send(OK, sequence=2)

    def _speak(self, line: Line) -> None:
        share: Sequence[Step] | None = None
        while True:
            command, body = line.receive_command()
            if command is Command.EXIT:
                self.exits += 1
                line.send(COMPLETE)
                return
            if command is Command.ACK:
                self._note_ack(Ack.parse(body))
                line.send(COMPLETE)
            elif command is Command.EXECUTE:
                self._play(line, self.copy if share is None else share)
            else:
                self.openings.append(Opening.parse(body))
                if command is Command.INIT:
                    self._play(line, self.introduction)
                elif self.refuse_attach:
                    line.send(failure(*self.refuse_attach))
                else:
                    with self._lock:
                        share = next(self._shares)
                    line.send(COMPLETE)

    def _note_ack(self, ack: Ack) -> None:
        self.acks.append(ack)
        if ack.error:
            self.given_up.set()
        self._acked.release()

    def _play(self, line: Line, steps: Sequence[Step]) -> None:
        for step in steps:
            if self.given_up.is_set():
                break
            match step:
                case bytes():
                    line.send(step)
                case Cut():
                    raise step
                case AwaitEvent():
                    while not (step.event.wait(0.01) or self.given_up.is_set()):
                        pass
                case AwaitAck():
                    for _ in range(step.keep_alives):
                        line.send(state(State.FILE_COPY, StateFlag.ACK))
                    self._acked.acquire(timeout=10)
        if self.given_up.is_set():
            line.send(failure(1317, "the client gave up"))


class Line:
    """One connection, as packets."""

    def __init__(self, taken: socket.socket) -> None:
        self._socket = taken
        self._file = taken.makefile("rb")

    def __enter__(self) -> Line:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        self._socket.close()

    def send(self, payload: bytes, *, sequence: int = 0) -> None:
        for packet in packets(payload, sequence):
            self._socket.sendall(packet)

    def receive(self) -> bytes:
        header = self._file.read(4)
        if len(header) < 4:
            raise EOFError
        return self._file.read(int.from_bytes(header[:3], "little"))

    def receive_command(self) -> tuple[Command, bytes]:
        received = self.receive()
        return Command(received[0]), received[1:]


def packets(payload: bytes, sequence: int = 0) -> Iterator[bytes]:
    """Yield a payload as packets, as many as it takes."""
    for number, begin in enumerate(range(0, len(payload) + 1, LONGEST_PACKET)):
        part = payload[begin : begin + LONGEST_PACKET]
        yield struct.pack("<I", len(part) | (sequence + number) << 24) + part


def error_packet(code: int, text: str) -> bytes:
    return b"\xff" + struct.pack("<H", code) + b"#HY000" + text.encode()
