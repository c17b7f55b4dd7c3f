"""The options of a command that takes a backup of chosen tables, or shows which they are."""

from __future__ import annotations

from django.core.management.base import CommandParser


def add_choice_options(parser: CommandParser) -> None:
    parser.add_argument(
        "--include",
        action="append",
        metavar="SCHEMA.TABLE",
        help="Of a partial backup: the tables that are in, such as 'shop.*' or 'shop.order?'. "
        "May be repeated. Default: all tables.",
    )
    parser.add_argument(
        "--exclude",
        action="append",
        metavar="SCHEMA.TABLE",
        help="Of a partial backup: the tables that are not in after all. May be repeated.",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="Run the checks, list the tables of a partial backup, and take none.",
    )
