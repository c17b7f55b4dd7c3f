"""Values as SQL writes them: exact, whatever is in them."""

from __future__ import annotations

import pytest

from backups.engines.clone.literals import Column
from backups.exceptions import EngineError


@pytest.mark.parametrize(
    ("column", "value", "written"),
    [
        (Column("a", "decimal"), b"-1.50", b"-1.50"),
        (Column("a", "enum"), b"0", b"0"),
        (Column("a", "float"), b"-0", b"-0e0"),
        (Column("a", "double"), b"1.5", b"1.5e0"),
        (Column("a", "double"), b"1e300", b"1e300"),
        (Column("a", "datetime"), b"2024-02-29 01:02:03.000001", b"'2024-02-29 01:02:03.000001'"),
        (Column("a", "inet6"), b"2001:db8::1", b"'2001:db8::1'"),
        (Column("a", "bit"), b"\x05\x9d", b"x'059d'"),
        (Column("a", "longblob"), b"", b"x''"),
        (Column("a", "json"), b'{"k": "\\n"}', b'\'{"k": "\\\\n"}\''),
        (Column("a", "char", "utf8mb4"), "it's \\ 𝄞".encode(), "'it''s \\\\ 𝄞'".encode()),
        (Column("a", "char", "utf8mb4"), b"a\nb", b"_utf8mb4 x'610a62'"),
        (Column("a", "char", "utf8mb4"), b"\xff", b"_utf8mb4 x'ff'"),
        (Column("a", "text", "latin1"), b"plain", b"'plain'"),
        (Column("a", "text", "latin1"), b"\xfc", b"_latin1 x'fc'"),
        # These bytes are not the characters they look like.
        (Column("a", "text", "utf16"), b"\x00a", b"_utf16 x'0061'"),
        (Column("a", "text", "swe7"), b"[", b"_swe7 x'5b'"),
    ],
)
def test_what_is_written(column: Column, value: bytes, written: bytes) -> None:
    assert column.literal()(value) == written


@pytest.mark.parametrize(
    ("data_type", "selected"),
    [("float", "`a``b` * 1e0"), ("set", "`a``b` + 0"), ("int", "`a``b`"), ("json", "`a``b`")],
)
def test_what_is_selected(data_type: str, selected: str) -> None:
    assert Column("a`b", data_type).expression == selected


def test_a_type_nobody_knows_is_refused() -> None:
    with pytest.raises(EngineError, match="column a has an unsupported type: xmltype"):
        Column("a", "xmltype").literal()
