"""Tables of every kind that a restore of tables has to bring back as they were."""

from __future__ import annotations

from backups.table_names.names import quoted

NUMBERS = (
    "CREATE TABLE shop.numbers (n INT PRIMARY KEY)",
    "INSERT INTO shop.numbers VALUES (1), (2), (3), (4), (5), (6), (7), (8)",
    *(
        "INSERT INTO shop.numbers SELECT n + (SELECT MAX(n) FROM shop.numbers) FROM shop.numbers"
        for _ in range(6)
    ),
)
NOTE = "REPEAT(CHAR(97 + n % 26), 100)"
# No longer than what a full-text index takes.
WORD = "REPEAT(CHAR(97 + n % 26), 20)"
# Of each kind: columns and the end of the definition, then what is selected from the numbers.
KINDS: dict[str, tuple[str, str]] = {
    "plain": ("id INT PRIMARY KEY AUTO_INCREMENT, note VARCHAR(200)) COMMENT='a''b'", f"n, {NOTE}"),
    "squeezed": (
        "id INT PRIMARY KEY, note VARCHAR(200)) ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8",
        f"n, {NOTE}",
    ),
    "parted": (
        "id INT PRIMARY KEY, note VARCHAR(200)) PARTITION BY HASH (id) PARTITIONS 3",
        f"n, {NOTE}",
    ),
    "subparted": (
        "id INT PRIMARY KEY, note VARCHAR(200)) PARTITION BY RANGE (id) SUBPARTITION BY HASH (id)"
        " SUBPARTITIONS 2 (PARTITION low VALUES LESS THAN (100),"
        " PARTITION high VALUES LESS THAN MAXVALUE)",
        f"n, {NOTE}",
    ),
    "texts": ("id INT PRIMARY KEY, note TEXT, FULLTEXT KEY words (note))", f"n, {WORD}"),
    "odd-näme": ("id INT PRIMARY KEY, `odd``col` BLOB, t TIMESTAMP(3) NULL)", f"n, {NOTE}, NULL"),
    "a`b.c '%d": ("id INT PRIMARY KEY, `order` INT)", "n, n"),
    "select": ("id INT PRIMARY KEY, `from` INT, KEY `where` (`from`))", "n, n"),
    "checked": (
        "id INT PRIMARY KEY, part INT, CONSTRAINT some CHECK (part >= 0), CHECK (part < 9))",
        "n, n % 5",
    ),
    # The next number is not the one after the largest.
    "gapped": ("id INT PRIMARY KEY AUTO_INCREMENT) AUTO_INCREMENT=100000", "n"),
    "hidden": ("id INT PRIMARY KEY, secret INT INVISIBLE DEFAULT 3)", "n"),
    "placed": (
        "id INT PRIMARY KEY, place POINT NOT NULL, SPATIAL KEY places (place))",
        "n, POINT(n, -n)",
    ),
    "typed": (
        "id INT PRIMARY KEY, f FLOAT, d DOUBLE, m DECIMAL(30, 10), b BIT(10), y YEAR, t TIME(6),"
        " at DATETIME(6), z TIMESTAMP NULL, e ENUM('a', 'ö'), s SET('x', 'y'), v VARBINARY(20),"
        " l VARCHAR(20) CHARACTER SET latin1, j JSON)",
        "n, n / 3, n / 7, n / 11, n, 2000 + n % 100, SEC_TO_TIME(n / 9), '2026-01-02 03:04:05.67',"
        " FROM_UNIXTIME(n * 86400), 1 + n % 2, n % 4, UNHEX(HEX(n)), 'ÿ''\\\\',"
        " '{\"a\": [1, null]}'",
    ),
}  # fmt: skip
GENERATED = (
    "CREATE TABLE shop.made (id INT PRIMARY KEY, twice INT AS (id * 2) STORED,"
    " half INT AS (id DIV 2) VIRTUAL, KEY halves (half))",
    "INSERT INTO shop.made (id) SELECT n FROM shop.numbers",
    "CREATE TABLE shop.altered (id INT PRIMARY KEY)",
    "INSERT INTO shop.altered SELECT n FROM shop.numbers",
    "ALTER TABLE shop.altered ADD COLUMN later INT DEFAULT 7, ALGORITHM=INSTANT",
    "ALTER TABLE shop.altered ADD COLUMN gone INT DEFAULT 8, ALGORITHM=INSTANT",
    "ALTER TABLE shop.altered ADD COLUMN early INT DEFAULT 9 FIRST, ALGORITHM=INSTANT",
    "ALTER TABLE shop.altered DROP COLUMN gone, ALGORITHM=INSTANT",
    "CREATE TABLE shop.parents (id INT PRIMARY KEY)",
    "INSERT INTO shop.parents SELECT n FROM shop.numbers",
    "CREATE TABLE shop.children (id INT PRIMARY KEY, parent INT, boss INT,"
    " CONSTRAINT of_parent FOREIGN KEY (parent) REFERENCES parents (id),"
    " CONSTRAINT of_boss FOREIGN KEY (boss) REFERENCES children (id))",
    "INSERT INTO shop.children SELECT n, n, NULL FROM shop.numbers",
    "UPDATE shop.hidden SET secret = id * 2",
)
# What one product has and the other does not.
OWN: dict[str, dict[str, tuple[str, str]]] = {
    "mysql": {
        "pages": ("id INT PRIMARY KEY, note VARCHAR(200)) COMPRESSION='zlib'", f"n, {NOTE}"),
        "functional": (
            "id INT PRIMARY KEY, n INT DEFAULT (1 + 1), j JSON, KEY doubled ((n * 2)),"
            " KEY down (n DESC), KEY unseen (n) INVISIBLE,"
            " KEY several ((CAST(j->'$.a' AS UNSIGNED ARRAY))))",
            "n, n, '{\"a\": [1, 2]}'",
        ),
    },
    "mariadb": {
        "pages": ("id INT PRIMARY KEY, note VARCHAR(200)) `PAGE_COMPRESSED`=1", f"n, {NOTE}"),
        "own types": (
            "id INT PRIMARY KEY, u UUID, a INET6, v INET4)",
            "n, UUID(), CONCAT('::', n), CONCAT('10.0.0.', n % 256)",
        ),
        "counted": ("id INT PRIMARY KEY, n INT DEFAULT NEXTVAL(shop.tickets))", "n, n"),
    },
}
BEFORE = {"mysql": (), "mariadb": ("CREATE SEQUENCE shop.tickets",)}
# MySQL alone has them.
IN_TABLESPACE = (
    "CREATE TABLESPACE room ADD DATAFILE 'room.ibd'",
    "CREATE TABLE shop.roomed (id INT PRIMARY KEY) TABLESPACE room",
    "INSERT INTO shop.roomed SELECT n FROM shop.numbers",
)


def names_of(product: str) -> list[str]:
    """Return the tables that every test may restore, parents before children."""
    return [*KINDS, *OWN[product], "made", "altered", "parents", "children"]


def statements_for(product: str) -> list[str]:
    """Return what makes and fills them, in a schema ``shop`` that is there."""
    made = [*NUMBERS, *BEFORE[product]]
    for name, (columns, values) in (KINDS | OWN[product]).items():
        table = f"shop.{quoted(name)}"
        made += [
            f"CREATE TABLE {table} ({columns}",
            f"INSERT INTO {table} SELECT {values} FROM shop.numbers",
        ]
    return made + list(GENERATED)
