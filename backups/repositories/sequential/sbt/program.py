"""The process in which a media manager's library runs: requests in, replies out.

Started by its path, and without any of Mooring's modules: what the library does to this process
costs nobody else anything. Each message is one letter, a length of four bytes and that many bytes.
``SbtSession`` has the other end.
"""

from __future__ import annotations

import ctypes
import json
import os
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint, c_ulong, c_void_p
from typing import Any, BinaryIO, ClassVar, NoReturn

MESSAGE = struct.Struct("<cI")
MOST_REQUEST = 8 * 1024 * 1024
API_VERSION = 0x0200
MOST_CONTEXT = 1024 * 1024
MOST_PAIRS = 64
# End tags of the lists that are passed in.
INIT_END, INIT2_END, BACKUP_END, INFO_END = 1, 9999, 32, 9999
NOT_FOUND, END_OF_FILE = 7502, 7504
ABORT = 1
# The order of the table; what follows is about proxy copies.
CALLS = (
    "backup", "close2", "command", "end", "error", "info2", "init2", "read2", "remove2", "restore",
    "write2",
)  # fmt: skip


class Pair(ctypes.Structure):
    """An element of every list: libraries write its tag as int or as long."""

    _fields_: ClassVar = [("tag", c_ulong), ("value", c_void_p)]

    @property
    def number(self) -> int:
        return int(self.tag) & 0xFFFFFFFF


class OsError(ctypes.Structure):
    """What sbtinit fills if it fails."""

    _fields_: ClassVar = [("code", c_int), ("errno", c_int)]


PAIRS = POINTER(Pair)
NAMES = POINTER(c_char_p)
ARGUMENTS: Mapping[str, Sequence[Any]] = {
    "backup": (c_char_p, PAIRS, c_size_t, c_size_t, c_uint, c_uint),
    "close2": (),
    "command": (c_char_p,),
    "end": (),
    "error": (POINTER(c_ulong), POINTER(c_char_p), POINTER(c_char_p)),
    "info2": (NAMES, POINTER(PAIRS)),
    "init2": (PAIRS, POINTER(PAIRS)),
    "read2": (c_void_p,),
    "remove2": (NAMES,),
    "restore": (c_char_p, c_size_t),
    "write2": (c_void_p,),
}


class CallFailed(Exception):
    """A function of the library failed."""

    def __init__(self, call: str, code: int, text: str) -> None:
        super().__init__(text)
        self.call, self.code, self.text = call, code, text


class Library:
    """A loaded library with one context."""

    def __init__(self, path: str, database: str) -> None:
        self._database = database.encode()
        self._keep: list[Any] = []
        found = self._initialise(_load(path))
        self.about = {"vendor": found["vendor"], "version": found["version"]}
        table = ctypes.cast(found["table"], POINTER(c_void_p))
        self._functions: dict[str, Callable[..., int]] = {}
        for index, name in enumerate(CALLS):
            if not table[index]:
                raise CallFailed("sbtinit", 0, f"its table has no sbt{name}")
            prototype = ctypes.CFUNCTYPE(c_int, c_void_p, c_ulong, *ARGUMENTS[name])
            self._functions[name] = prototype(table[index])
        self._context = ctypes.create_string_buffer(found["context"])
        level, version = c_ulong(0), c_ulong(API_VERSION)
        out = PAIRS()
        self._call("init2", _pairs([(1, level), (2, version)], INIT2_END), byref(out))
        self._keep += [level, version]

    def _initialise(self, library: ctypes.CDLL) -> dict[str, Any]:
        """Call sbtinit and return what it says, as far as it is needed."""
        try:
            sbtinit = library.sbtinit
        except AttributeError:
            raise CallFailed("dlopen", 0, "the library has no sbtinit") from None
        sbtinit.restype = c_int
        error, out = OsError(), PAIRS()
        if sbtinit(byref(error), _pairs([], INIT_END), byref(out)):
            raise CallFailed("sbtinit", error.code, f"it failed, errno {error.errno}")
        found: dict[str, Any] = {"vendor": "", "version": "", "api": 0, "context": 0, "table": 0}
        for pair in _read_pairs(out, INIT_END):
            value = pair.value or 0
            match pair.number:
                case 4:
                    found["api"] = value & 0xFFFFFFFF
                case 5 if value:
                    found["vendor"] = _text(ctypes.string_at(value)[:64])
                case 6:
                    found["table"] = value
                case 7:
                    found["context"] = value & 0xFFFFFFFF
                case 8:
                    parts = (value & 0xFFFFFFFF).to_bytes(4, "big")
                    found["version"] = ".".join(str(part) for part in parts)
        api = found["api"]
        if not found["table"]:
            raise CallFailed("sbtinit", 0, "it has no table of functions")
        if api != API_VERSION:
            text = f"the library speaks version {api >> 8}.{api & 255} of the interface, not 2.0"
            raise CallFailed("sbtinit", 0, text)
        if not 0 < found["context"] <= MOST_CONTEXT:
            raise CallFailed("sbtinit", 0, f"it wants a context of {found['context']} bytes")
        return found

    def send(self, command: str) -> None:
        self._call("command", command.encode())

    def info(self, name: str) -> bool:
        """Whether the media manager has a backup file."""
        out = PAIRS()
        try:
            self._call("info2", _names(name), byref(out))
        except CallFailed as exc:
            if exc.code == NOT_FOUND:
                return False
            raise
        tags = [pair.number for pair in _read_pairs(out, INFO_END)]
        return 1 in tags and 8 not in tags

    def create(self, name: str, block_bytes: int) -> None:
        database_id, kind = c_ulong(0), c_ulong(3)
        self._name = name
        objects = _pairs([(2, c_char_p(self._database)), (3, database_id), (5, kind)], BACKUP_END)
        self._keep += [database_id, kind, objects]
        self._call("backup", name.encode(), objects, block_bytes, 0, 1, 0)

    def write(self, block: bytes) -> None:
        self._call("write2", block)

    def open(self, name: str, block_bytes: int) -> None:
        self._call("restore", name.encode(), block_bytes)
        self._block = ctypes.create_string_buffer(block_bytes)

    def read(self) -> bytes | None:
        """Return the next block; None after the last."""
        try:
            self._call("read2", self._block)
        except CallFailed as exc:
            if exc.code == END_OF_FILE:
                return None
            raise
        return self._block.raw

    def close(self, flags: int = 0) -> None:
        self._call("close2", flags=flags)

    def remove(self, name: str) -> None:
        try:
            self._call("remove2", _names(name))
        except CallFailed as exc:
            if exc.code != NOT_FOUND:
                raise

    def end(self) -> None:
        self._call("end")

    # Any: what each function of the library takes.
    def _call(self, name: str, *arguments: Any, flags: int = 0) -> None:
        if self._functions[name](self._context, flags, *arguments):
            raise self._error(f"sbt{name}")

    def _error(self, call: str) -> CallFailed:
        code, native, text = c_ulong(0), c_char_p(), c_char_p()
        self._functions["error"](self._context, 0, byref(code), byref(native), byref(text))
        said = (text.value or native.value or b"it gives no reason")[:1024]
        return CallFailed(call, code.value & 0xFFFFFFFF, _text(said))


def _load(path: str) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(path, mode=os.RTLD_NOW | os.RTLD_LOCAL)
    except OSError:
        # Old ones expect symbols of their usual client, which are looked up when they are used.
        try:
            return ctypes.CDLL(path, mode=os.RTLD_LAZY | os.RTLD_LOCAL)
        except OSError as exc:
            raise CallFailed("dlopen", 0, str(exc)) from None


def _pairs(values: Sequence[tuple[int, Any]], end: int) -> ctypes.Array[Pair]:
    """Return a list; a number is passed by its address, which the caller keeps alive."""
    made = [
        Pair(tag, ctypes.cast(value, c_void_p).value)
        if isinstance(value, c_char_p)
        else Pair(tag, ctypes.addressof(value))
        for tag, value in values
    ]
    return (Pair * (len(made) + 1))(*made, Pair(end, None))


def _read_pairs(pairs: Any, end: int) -> list[Pair]:
    found: list[Pair] = []
    while pairs and len(found) < MOST_PAIRS:
        pair = pairs[len(found)]
        if pair.number == end:
            break
        found.append(pair)
    return found


def _names(name: str) -> ctypes.Array[c_char_p]:
    return (c_char_p * 2)(name.encode(), None)


def _text(content: bytes) -> str:
    return " ".join(content.decode("utf-8", "replace").split())


class LibraryServer:
    """Answers requests until the other end hangs up."""

    def __init__(self, requests: BinaryIO, replies: BinaryIO) -> None:
        self._requests, self._replies = requests, replies
        self._library: Library | None = None

    def run(self) -> None:
        while head := self._requests.read(MESSAGE.size):
            letter, length = MESSAGE.unpack(head)
            if length > MOST_REQUEST:
                sys.exit(f"a request of {length} bytes")
            payload = self._requests.read(length)
            if len(payload) != length:
                # Cut: whoever asked has been killed.
                os._exit(1)
            try:
                self._reply(*self._answer(letter, payload))
            except CallFailed as exc:
                fields = {"call": exc.call, "code": exc.code, "text": exc.text}
                self._reply(b"F", json.dumps(fields).encode())
            if letter == b"T":
                break
        # Handlers that the library has left for the end are none of our affair.
        os._exit(0)

    def _answer(self, letter: bytes, payload: bytes) -> tuple[bytes, bytes]:
        if letter == b"B":
            self._used.write(payload)
            return b"K", b""
        if letter == b"N":
            block = self._used.read()
            return (b"Z", b"") if block is None else (b"D", block)
        asked = json.loads(payload or b"{}")
        if letter == b"I":
            self._library = Library(asked["library"], asked["database"])
            for command in asked["commands"]:
                self._library.send(command)
            return b"K", json.dumps(self._library.about).encode()
        return b"K", json.dumps(self._operate(letter, asked)).encode()

    def _operate(self, letter: bytes, asked: Mapping[str, Any]) -> bool:
        """Do what is requested; return whether a backup file is there, if that is the question."""
        library = self._used
        match letter:
            case b"Q":
                return library.info(asked["name"])
            case b"S":
                library.create(asked["name"], asked["block_bytes"])
            case b"E":
                library.close()
            case b"A":
                library.close(ABORT)
            case b"R":
                library.open(asked["name"], asked["block_bytes"])
            case b"X":
                library.remove(asked["name"])
            case b"T":
                library.end()
            case _:
                sys.exit(f"an unknown request {letter!r}")
        return True

    @property
    def _used(self) -> Library:
        if self._library is None:
            sys.exit("a request before the library was loaded")
        return self._library

    def _reply(self, letter: bytes, payload: bytes) -> None:
        self._replies.write(MESSAGE.pack(letter, len(payload)) + payload)
        self._replies.flush()


def main() -> NoReturn:
    """Serve. What the library prints goes to the standard error, and it finds no input of ours."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    LibraryServer(requests, replies).run()
    sys.exit(0)


if __name__ == "__main__":
    main()
