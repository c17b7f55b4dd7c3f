"""Whether this host's keys open a copy is found out before a program reads noise with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from backups.engines.base import HostKeys
from backups.engines.mariadb_backup.key_file import KeyFileUnreadable, read_keys
from backups.engines.mariadb_backup.key_proof import judge_failure, prove_keys
from backups.engines.mariadb_backup.shaping import Shaping
from backups.exceptions import EngineError, Refused
from backups.innodb.checksums import crc32c
from tests.backups.engines.key_files import seal

KEY, OTHER = bytes(range(32)), bytes(range(16))
PAGE, SPACE, VECTOR, LSN = 16384, 7, bytes(range(16)), 4711
NEEDS_KEYS = Shaping(plugins=("file_key_management",))
# The flags of a tablespace of full_crc32 with pages of 16 KiB.
FULL_CRC32 = 0x15


def encrypted_table(key: bytes, number: int, mode: str) -> bytes:
    """Two pages as MariaDB writes them; the second is encrypted, but for its header."""
    first = bytearray(PAGE)
    first[34:38], first[54:58] = SPACE.to_bytes(4, "big"), FULL_CRC32.to_bytes(4, "big")
    info = b"s\x0e\x0cREt" + b"\x01\x10" + VECTOR + (1).to_bytes(4, "big")
    first[4096 : 4096 + 32] = info + number.to_bytes(4, "big")
    local = Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(VECTOR)  # noqa: S305
    tweak = SPACE.to_bytes(4, "little") + (1).to_bytes(4, "little") + LSN.to_bytes(8, "little")
    plain = bytes(8) + SPACE.to_bytes(4, "big") + bytes(4)
    chosen = modes.CBC(tweak) if mode == "aes_cbc" else modes.CTR(tweak)
    second = bytearray(PAGE)
    second[0:8] = (1).to_bytes(4, "big") * 2
    second[16:24] = LSN.to_bytes(8, "big")
    second[26:42] = Cipher(algorithms.AES(local), chosen).encryptor().update(plain)
    second[-4:] = crc32c(bytes(second[:-4]))
    return bytes(first + second)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    (tmp_path / "copy" / "shop").mkdir(parents=True)
    (tmp_path / "copy" / "shop" / "plain.ibd").write_bytes(bytes(2 * PAGE))
    return tmp_path / "copy"


def host_keys(folder: Path, keys: Mapping[int, bytes]) -> HostKeys:
    lines = ["# ours", *(f"{number};{key.hex()} # {number}" for number, key in keys.items())]
    (folder / "keys").write_text("\n".join(lines))
    return HostKeys(key_file=str(folder / "keys"))


def proved(copy: Path, keys: HostKeys) -> frozenset[int]:
    return prove_keys(copy, NEEDS_KEYS, keys, lambda: None)


@pytest.mark.parametrize("mode", ["aes_cbc", "aes_ctr"])
def test_the_key_that_encrypted_the_page_passes(copy: Path, tmp_path: Path, mode: str) -> None:
    (copy / "shop" / "orders.ibd").write_bytes(encrypted_table(KEY, 1, mode))
    (copy / "shop" / "visits.ibd").write_bytes(encrypted_table(OTHER, 2, mode))
    assert proved(copy, host_keys(tmp_path, {1: KEY, 2: OTHER})) == {1, 2}
    with pytest.raises(Refused, match=r"key 2 in \S+/keys does not open shop/visits\.ibd"):
        proved(copy, host_keys(tmp_path, {1: KEY, 2: KEY}))
    with pytest.raises(Refused, match=r"visits\.ibd is encrypted with key 2, and \S+ has none"):
        proved(copy, host_keys(tmp_path, {1: KEY}))


def test_a_compressed_page_shows_nothing_of_a_key(copy: Path, tmp_path: Path) -> None:
    table = bytearray(encrypted_table(KEY, 1, "aes_cbc"))
    table[PAGE + 24] |= 0x80
    (copy / "shop" / "packed.ibd").write_bytes(table)
    assert proved(copy, host_keys(tmp_path, {1: KEY})) == frozenset()


def test_a_damaged_page_does_not_speak_against_a_key(copy: Path, tmp_path: Path) -> None:
    table = bytearray(encrypted_table(KEY, 1, "aes_cbc"))
    table[PAGE + 30] ^= 1
    (copy / "shop" / "orders.ibd").write_bytes(table)
    assert proved(copy, host_keys(tmp_path, {1: KEY})) == frozenset()


def test_a_key_of_an_impossible_length_is_none(copy: Path, tmp_path: Path) -> None:
    (copy / "shop" / "orders.ibd").write_bytes(encrypted_table(KEY, 1, "aes_cbc"))
    with pytest.raises(Refused, match="has none of that number"):
        proved(copy, host_keys(tmp_path, {1: KEY[:20]}))


FAILED = EngineError("mariadb-backup exited with 1: Aria log apply FAILED")
# As the tool wrote it, run by a user that the file was not for.
UNREADABLE = """\
/usr/bin/mariadb-backup: Can't find file: '/srv/keys' (errno: 13 "Permission denied")
2026-11-29 21:46:31 0 [ERROR] Plugin 'file_key_management' init function returned error.
2026-11-29 21:46:31 0 [ERROR] Plugin 'file_key_management' registration as a ENCRYPTION failed."""
OF_ANOTHER_RELEASE = "Can't open shared library 'file_key_management.so' (errno: 1, API version)"
UNDECRYPTED = "[ERROR] InnoDB: Encryption key is not found for ./shop/orders.ibd"


@pytest.mark.parametrize(
    ("shaping", "known", "log", "said"),
    [
        (Shaping(), set(), UNDECRYPTED, FAILED.args[0]),
        (NEEDS_KEYS, {1}, "Aria log apply FAILED", FAILED.args[0]),
        # Nothing else shows a wrong key of a redo log or of Aria's.
        (NEEDS_KEYS, {2}, "Aria log apply FAILED", "those in /keys could not be proved right, and"),
        (NEEDS_KEYS, {1}, UNREADABLE, "Can't find file: '/srv/keys' (errno: 13 \"Permission den"),
        (NEEDS_KEYS, {1}, f"mariadbd: {OF_ANOTHER_RELEASE}", OF_ANOTHER_RELEASE),
        (NEEDS_KEYS, {1}, UNDECRYPTED, "Encryption key is not found for ./shop/orders.ibd"),
    ],
)
def test_a_prepare_that_fails_for_want_of_keys_is_no_evidence(
    shaping: Shaping, known: set[int], log: str, said: str
) -> None:
    keys = HostKeys(key_file="/keys")
    judged = judge_failure(FAILED, log, shaping, keys, frozenset(known))
    assert said in str(judged)
    assert isinstance(judged, Refused) is (judged is not FAILED)


def test_a_page_behind_a_link_is_not_read(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.ibd").write_bytes(encrypted_table(KEY, 1, "aes_cbc"))
    (copy / "shop" / "orders.ibd").symlink_to(tmp_path / "outside.ibd")
    with pytest.raises(OSError, match="symbolic link"):
        proved(copy, host_keys(tmp_path, {1: OTHER}))


@pytest.mark.parametrize(
    ("digest", "rounds"), [("sha1", 0), ("sha256", 0), ("sha512", 1000)], ids=str
)
def test_a_file_of_keys_with_a_password(tmp_path: Path, digest: str, rounds: int) -> None:
    settings = {
        "file_key_management_digest": digest,
        "file_key_management_use_pbkdf2": str(rounds),
    }
    keys, password = tmp_path / "keys", tmp_path / "password"
    keys.write_bytes(seal(f"1;{KEY.hex()}\n", b"pw", digest, rounds))
    password.write_text("pw\n")
    named = HostKeys(key_file=str(keys), key_file_password=str(password))
    assert read_keys(named, settings) == {1: KEY}
    password.write_text("another\n")
    with pytest.raises(KeyFileUnreadable, match="password is wrong"):
        read_keys(named, settings)
