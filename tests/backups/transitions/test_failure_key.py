from __future__ import annotations

import pytest

from backups.transitions.failure_key import failure_key, normalised


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("no space: 12 GiB needed, 3.5 GiB free", "no space: 7 GiB needed, 0.1 GiB free"),
        ("cannot read /var/lib/a/b.ibd", "cannot read /srv/c/d.ibd"),
        ("10.0.0.1:3306 refused", "10.9.8.7:3307 refused"),
        ("lost since 2026-03-02 01:00 UTC", "lost since 2026-04-05 02:10 UTC"),
        ("a@20260302T010000Z-F is damaged", "b@20260303T010000Z-F is damaged"),
        ("page 0x1f is damaged", "Page 0xAB  is damaged"),
    ],
)
def test_what_differs_from_run_to_run_does_not_count(one: str, other: str) -> None:
    assert failure_key("copy", one) == failure_key("copy", other)


def test_the_name_of_the_instance_does_not_count() -> None:
    assert failure_key("copy", "shop-1 is gone", "shop-1") == failure_key(
        "copy", "orders is gone", "orders"
    )
    # Part of a longer name is not the name.
    assert normalised("shop-10 is gone", "shop-1") == "shop-· is gone"


def test_what_failed_and_where_counts() -> None:
    assert failure_key("copy", "no space left") != failure_key("copy", "access denied")
    assert failure_key("copy", "no space left") != failure_key("register", "no space left")
    assert failure_key("copy", "") == ""
