"""How does the shop come by its rows?

The server makes them itself, from MariaDB's sequence engine or what stands in for it: some
300 MB in seconds. Values are drawn from lists of words by hashes of the row's number, so that
they vary, compress as real rows do, and are the same in every shop.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pymysql.connections import Connection

SCHEMA = Path(__file__).with_name("shop.sql")
CUSTOMERS = 60_000
PRODUCTS = 3_000
ORDERS = 200_000
EVENTS = 420_000
ACCOUNTS = 2_000
TRANSFERS = 60_000
INVOICES = 80_000
LETTERS = 40_000


def _words(text: str) -> list[str]:
    return text.split()


GIVEN = _words(
    "Ada Amir Anna Bao Beatriz Carlos Chiara Chidi Daan Elif Emma Fatima Finn Freya Giulia Hana "
    "Henrik Ines Ivan Jana Jonas Karim Lea Liam Lucía Malik Marta Mei Mila Nadia Noah Olga Omar "
    "Paula Priya Rafael Sara Søren Tomás Yuki Zoë"
)
FAMILY = _words(
    "Abebe Almeida Andersen Bauer Bianchi Costa Dubois Dupont Fernández Fischer García Haddad "
    "Hansen Ito Jansen Johansson Kaya Kim Kowalski Kumar Laurent Lindqvist López Martin Mbeki "
    "Moreau Müller Nakamura Nguyen Novák O'Brien Okafor Petrov Rossi Sato Schmidt Silva Smith "
    "Van-Dijk Weber Wójcik Yılmaz Zhang"
)
STREETS = _words("Harbour Mill Station Church Garden Market River School Park Bridge Castle Linden")
CITIES = _words(
    "Aarhus Antwerp Bari Bergen Bilbao Brno Cork Dresden Gdansk Ghent Graz Lille Linz Lyon Malmö "
    "Nantes Oulu Porto Riga Split Tartu Turin Utrecht Vigo"
)
COUNTRIES = _words("AT BE CZ DE DK EE ES FI FR HR IE IT LV NL NO PL PT SE")
THINGS = _words(
    "lamp chair kettle rope anchor compass lantern jacket boots knife mug blanket chart"
)
LOOKS = _words("brass oak woollen folding heavy light waterproof blue grey small large travel")
ACTIONS = _words("view search add_to_cart remove_from_cart checkout login logout review share")
WORDS = _words(
    "delivered damaged replaced promised carefully together yesterday wooden invoice customer "
    "return warehouse weather delay discount thank reminder second payment address parcel signed"
)


def schema() -> str:
    """Return the script that creates every schema and table, as MariaDB understands it."""
    return SCHEMA.read_text(encoding="utf-8")


def create_schema(connection: Connection, script: str) -> None:
    """Create every schema and table again, empty."""
    _execute(connection, _statements(script))


def sequences(scale: int) -> set[tuple[int, int]]:
    """Return the first and last number of every sequence a fill reads."""
    statements = [
        _customers(),
        _products(),
        *(statement for part in _parts(scale) for statement in part),
    ]
    ranges = re.findall(r"\bseq_(\d+)_to_(\d+)", " ".join(statements))
    return {(int(first), int(last)) for first, last in ranges}


def fill(connect: Callable[[], Connection], scale: int = 1) -> None:
    """Fill the empty tables over two connections, for two cores.

    ``scale`` divides the rows of the biggest. Nothing of it goes to the binlog, and it is on
    disk before this returns.
    """
    with connect() as connection:
        _execute(connection, [_customers(), _products()])
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda part: _fill_part(connect, part), _parts(scale)))
    with connect() as connection:
        # MyISAM keeps index blocks in memory: a killed server would call its table crashed.
        _execute(connection, [*_counts(), "FLUSH TABLES"])


def _fill_part(connect: Callable[[], Connection], statements: list[str]) -> None:
    with connect() as connection:
        _execute(connection, statements)


def _execute(connection: Connection, statements: list[str]) -> None:
    with connection.cursor() as cursor:
        # The sequence engine's tables appear in whatever database is in use.
        cursor.execute("CREATE DATABASE IF NOT EXISTS shop")
        cursor.execute("USE shop")
        cursor.execute("SET SESSION sql_log_bin = 0, foreign_key_checks = 0, unique_checks = 0")
        for statement in statements:
            cursor.execute(statement)


def _statements(script: str) -> list[str]:
    lines = (line for line in script.splitlines() if not line.startswith("--"))
    return [text for text in "\n".join(lines).split(";\n") if text.strip()]


def _parts(scale: int) -> Iterator[list[str]]:
    """What can be filled at the same time; the largest first."""
    yield [_events(scale)]
    yield [_orders(scale), _order_items(scale), _order_totals()]
    yield [_accounts(), _ledger(scale), _balances()]
    yield [_letters(scale), _invoices(scale), _visits(), _catalogue()]


def _hash(salt: str, row: str = "seq") -> str:
    return f"CRC32(CONCAT('{salt}', {row}))"


def _digest(row: str, length: int) -> str:
    """Return SQL that makes letters and digits that do not compress; MySQL no longer has MD5."""
    return f"LEFT(SHA2({row}, 256), {length})"


def _pick(words: list[str], salt: str, row: str = "seq") -> str:
    """Return SQL that draws one word for a row."""
    quoted = ",".join("'" + word.replace("'", "''") + "'" for word in words)
    return f"ELT(1 + {_hash(salt, row)} MOD {len(words)}, {quoted})"


def _prose(salt: str, words: int) -> str:
    """Return SQL that makes a sentence of ``words`` words."""
    drawn = ", ' ', ".join(_pick(WORDS, f"{salt}{place}") for place in range(words))
    return f"CONCAT({drawn}, '.')"


def _customers() -> str:
    given, family = _pick(GIVEN, "g"), _pick(FAMILY, "f")
    return f"""
        INSERT INTO shop.customers (id, email, given_name, family_name, street, city, country,
            phone, joined_on, preferences)
        SELECT seq, LOWER(CONCAT({given}, '.', REPLACE({family}, '''', ''), seq, '@example.net')),
            {given}, {family}, CONCAT({_pick(STREETS, "s")}, ' Street ', 1 + {_hash("n")} MOD 240),
            {_pick(CITIES, "c")}, {_pick(COUNTRIES, "l")},
            IF({_hash("p")} MOD 5, CONCAT('+', 30 + {_hash("p")} MOD 60, ' ', {_hash("q")}), NULL),
            '2015-01-01' + INTERVAL {_hash("j")} MOD 4200 DAY,
            JSON_OBJECT('newsletter', {_hash("w")} MOD 2 = 0, 'language', LOWER({
        _pick(COUNTRIES, "l")
    }), 'theme', IF({_hash("t")} MOD 3, 'light', 'dark'))
        FROM seq_1_to_{CUSTOMERS}"""


def _products() -> str:
    return f"""
        INSERT INTO shop.products
        SELECT seq, CONCAT(UPPER(LEFT({_pick(THINGS, "k")}, 3)), '-', LPAD(seq, 6, '0')),
            CONCAT({_pick(LOOKS, "a")}, ' ', {_pick(LOOKS, "b")}, ' ', {_pick(THINGS, "k")}),
            CONCAT({_prose("d", 14)}, ' ', {_prose("e", 12)}), 1 + {_hash("m")} MOD 29900 / 100
        FROM seq_1_to_{PRODUCTS}"""


def _orders(scale: int) -> str:
    return f"""
        INSERT INTO shop.orders (id, customer_id, placed_at, status, total, ship_to)
        SELECT seq, 1 + {_hash("o")} MOD {CUSTOMERS},
            '2024-01-01' + INTERVAL seq * 390 + {_hash("z")} MOD 390 SECOND,
            {_pick(["new", "paid", "packed", "shipped", "shipped", "shipped", "returned"], "u")}, 0,
            CONCAT({_pick(STREETS, "v")}, ' Street ', 1 + {_hash("n")} MOD 240, ', ',
                10000 + {_hash("y")} MOD 89999, ' ', {_pick(CITIES, "x")})
        FROM seq_1_to_{ORDERS // scale}"""


def _order_items(scale: int) -> str:
    line = "CONCAT(o.seq, '-', l.seq)"
    return f"""
        INSERT INTO shop.order_items
        SELECT o.seq, l.seq, p.id, 1 + {_hash("q", line)} MOD 4, p.price
        FROM seq_1_to_{ORDERS // scale} o
        JOIN seq_1_to_5 l ON l.seq <= 1 + {_hash("r", "o.seq")} MOD 5
        JOIN shop.products p ON p.id = 1 + {_hash("i", line)} MOD {PRODUCTS}
        ORDER BY o.seq, l.seq"""


def _order_totals() -> str:
    return """
        UPDATE shop.orders o JOIN (
            SELECT order_id, SUM(quantity * unit_price) AS total
            FROM shop.order_items GROUP BY order_id
        ) i ON i.order_id = o.id SET o.total = i.total"""


def _events(scale: int) -> str:
    return f"""
        INSERT INTO shop.events
        SELECT seq, '2025-10-01' + INTERVAL seq * 75 SECOND, 1 + {_hash("c")} MOD {CUSTOMERS},
            {_pick(ACTIONS, "a")}, CONCAT('2001:db8::', HEX({_hash("h")} MOD 65536)),
            {_digest("seq DIV 6", 32)},
            JSON_OBJECT('path', CONCAT('/', {_pick(THINGS, "k")}, '/', {_pick(LOOKS, "b")}, '-',
                    {_hash("i")} MOD {PRODUCTS}), 'ms', {_hash("m")} MOD 900,
                'agent', {_pick(["Firefox/131", "Chrome/129", "Safari/18", "shop-app/7.2"], "g")},
                'referrer', IF({_hash("r")} MOD 3, 'direct', {_pick(CITIES, "n")}),
                'trace', {_digest("seq", 40)})
        FROM seq_1_to_{EVENTS // scale}"""


def _accounts() -> str:
    return f"""
        INSERT INTO billing.accounts
        SELECT seq, 1 + {_hash("a")} MOD {CUSTOMERS}, 100000 + {_hash("b")} MOD 900000, 0
        FROM seq_1_to_{ACCOUNTS}"""


def _ledger(scale: int) -> str:
    # The other account is another account: the step is never a multiple of their number.
    paying = f"1 + {_hash('p', 't.seq')} MOD {ACCOUNTS}"
    paid = (
        f"1 + ({_hash('p', 't.seq')} + 1 + {_hash('q', 't.seq')} MOD {ACCOUNTS - 1}) MOD {ACCOUNTS}"
    )
    return f"""
        INSERT INTO billing.ledger (transfer, account_id, amount_cents, posted_at, note)
        SELECT CONCAT({_digest("t.seq", 8)}, '-0000-4000-8000-', LPAD(t.seq, 12, '0')),
            IF(side.seq, {paid}, {paying}),
            IF(side.seq, 1, -1) * CAST(1 + {_hash("m", "t.seq")} MOD 5000 AS SIGNED),
            '2026-01-01' + INTERVAL t.seq * 240 SECOND, CONCAT('order ', 1 + t.seq * 3)
        FROM seq_1_to_{TRANSFERS // scale} t JOIN seq_0_to_1 side ORDER BY t.seq, side.seq"""


def _balances() -> str:
    return """
        UPDATE billing.accounts a LEFT JOIN (
            SELECT account_id, SUM(amount_cents) AS moved FROM billing.ledger GROUP BY account_id
        ) l ON l.account_id = a.id
        SET a.balance_cents = a.opening_cents + COALESCE(l.moved, 0)"""


def _letters(scale: int) -> str:
    return f"""
        INSERT INTO archive.letters
        SELECT seq, 1 + {_hash("c")} MOD {CUSTOMERS}, '2012-01-01' + INTERVAL seq MOD 2500 DAY,
            CONCAT('Dear {{name}}, ', {_prose("a", 20)}, ' ', {_prose("b", 20)}, ' ',
                {_digest("seq", 32)})
        FROM seq_1_to_{LETTERS // scale}"""


def _invoices(scale: int) -> str:
    return f"""
        INSERT INTO archive.invoices_2019
        SELECT seq, 1 + {_hash("c")} MOD {CUSTOMERS}, '2019-01-01' + INTERVAL seq MOD 365 DAY,
            {_hash("m")} MOD 500000 / 100, {_prose("w", 10)}
        FROM seq_1_to_{INVOICES // scale}"""


def _visits() -> str:
    return f"""
        INSERT INTO archive.visits
        SELECT '2019-01-01' + INTERVAL seq MOD 365 DAY, CONCAT('/', {_pick(THINGS, "p")}),
            {_hash("v")} MOD 5000
        FROM seq_1_to_20000"""


def _catalogue() -> str:
    return f"""
        INSERT INTO `mail-order 1998`.`catalogue #3 (final)`
        SELECT seq, {_prose("c", 18)} FROM seq_1_to_400"""


def _counts() -> list[str]:
    """The counters begin at what the fill made; the writer continues from there."""
    return [
        f"UPDATE billing.counters SET value = (SELECT COUNT(*) FROM {table}) WHERE name = '{name}'"
        for name, table in (("postings", "billing.ledger"), ("orders", "shop.orders"))
    ]
