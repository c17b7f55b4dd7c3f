"""Which addresses of SFTP folders are taken, and which are refused in words?"""

from __future__ import annotations

import pytest

from backups.exceptions import BadInput
from backups.repositories.sftp.place import SftpPlace, parse_address


@pytest.mark.parametrize(
    ("address", "place", "normal"),
    [
        ("sftp://db@nas/backup", SftpPlace("db", "nas", "/backup"), "sftp://db@nas/backup"),
        ("sftp://db@nas:22/a//b/", SftpPlace("db", "nas", "/a/b"), "sftp://db@nas/a/b"),
        ("sftp://db@nas:2222/a b#c", SftpPlace("db", "nas", "/a b#c", 2222), ""),
        ("sftp://db@[::1]:2222/a", SftpPlace("db", "::1", "/a", 2222), ""),
        ("sftp://db@[::1]/a", SftpPlace("db", "::1", "/a"), ""),
        ("sftp://me@corp.example@nas/a", SftpPlace("me@corp.example", "nas", "/a"), ""),
        ("sftp://db@nas/~/a//b", SftpPlace("db", "nas", "a/b"), "sftp://db@nas/~/a/b"),
        ("sftp://db@nas/~a", SftpPlace("db", "nas", "/~a"), ""),
        ("sftp://db@nas/a/../b", SftpPlace("db", "nas", "/b"), "sftp://db@nas/b"),
    ],
)
def test_an_address_is_parsed_and_shown(address: str, place: SftpPlace, normal: str) -> None:
    assert parse_address(address) == place
    assert place.address == (normal or address)
    assert parse_address(place.address) == place


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("sftp://nas/backup", "has no user or no path"),
        ("sftp://db@nas", "has no user or no path"),
        ("sftp://db@nas/", "the top folder"),
        ("sftp://db@nas/a/..", "the top folder"),
        ("sftp://db@nas/~/", "the top folder"),
        ("sftp://db@nas/~/../..", "the top folder"),
        ("sftp://db:secret@nas/a", "contains a password"),
        ("sftp://db@-oProxyCommand=x/a", "is no name or address of a host"),
        ("sftp://-l@nas/a", "is no user name"),
        ("sftp://d b@nas/a", "is no user name"),
        ("sftp://db@nas%h/a", "is no name or address of a host"),
        ("sftp://db@[::1%eth0]/a", "is no name or address of a host"),
        ("sftp://db@nas:0/a", "is no port"),
        ("sftp://db@nas:70000/a", "is no port"),
        ("sftp://db@nas/a\nb", "cannot be printed"),
    ],
)
def test_what_is_no_address_is_refused(address: str, words: str) -> None:
    with pytest.raises(BadInput, match=words) as raised:
        parse_address(address)
    assert "secret" not in str(raised.value)
