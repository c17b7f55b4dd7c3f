"""Who is in the sample fleet? Names, groups, sizes and habits, the same in every run."""

from __future__ import annotations

import random
from dataclasses import dataclass

GIB = 1024**3
SAMPLE = "sample"
# Product, group, how many, gigabytes of the smallest and the biggest, and whose server.
_PRODUCTS = (
    ("orders", "shop", 8, (180, 640), "mysql"),
    ("catalog", "shop", 4, (20, 60), "mariadb"),
    ("carts", "shop", 4, (8, 30), "mariadb"),
    ("ledger", "payments", 6, (90, 320), "mysql"),
    ("fraud", "payments", 3, (40, 110), "mysql"),
    ("tracking", "logistics", 6, (60, 210), "mariadb"),
    ("routes", "logistics", 4, (12, 40), "mariadb"),
    ("events", "analytics", 6, (400, 1_900), "mysql"),
    ("reports", "analytics", 4, (120, 380), "mariadb"),
    ("accounts", "platform", 5, (30, 90), "mariadb"),
    ("sessions", "platform", 5, (4, 16), "mariadb"),
    ("wiki", "office", 2, (2, 6), "mariadb"),
    ("billing", "office", 3, (15, 50), "mysql"),
)
_VERSIONS = {
    "mariadb": ("10.11.14-MariaDB-log", "10.11.11-MariaDB-log", "11.4.8-MariaDB-log"),
    "mysql": ("8.4.6", "8.4.5", "8.0.43"),
}
_SITES = ("fra", "ams")


@dataclass(frozen=True, slots=True)
class SampleInstance:
    """One made-up instance and how its backups tend to go."""

    name: str
    group: str
    flavour: str
    version: str
    host: str
    first_bytes: int
    # How many times bigger it is after a year.
    growth: float
    # Stored to raw bytes.
    ratio: float
    bytes_per_s: int
    lock_seconds: float
    # What is wrong with it; blank for most.
    trouble: str = ""

    @property
    def engine(self) -> str:
        return "clone" if self.flavour == "mysql" else "mariadb_backup"


# Each kind of trouble is somebody's, so that every state of the pages can be seen.
_TROUBLES = {
    "orders-fra-3": "failing",
    "ledger-ams-2": "lock",
    "events-fra-3": "slow",
    "reports-fra-2": "untested",
    "tracking-ams-3": "damaged",
    "routes-fra-2": "unreachable",
    "wiki-ams-1": "disabled",
    "sessions-ams-2": "never",
    "fraud-fra-2": "test failed",
    "carts-ams-2": "missed",
    "billing-fra-1": "unplanned",
}


def sample_instances() -> list[SampleInstance]:
    """Return the sixty of them."""
    dice = random.Random(20_260_302)
    fleet = []
    for product, group, count, (least, most), flavour in _PRODUCTS:
        for n in range(count):
            site = _SITES[n % len(_SITES)]
            name = f"{product}-{site}-{n // len(_SITES) + 1}"
            fleet.append(
                SampleInstance(
                    name=name,
                    group=group,
                    flavour=flavour,
                    version=dice.choice(_VERSIONS[flavour]),
                    host=f"{name}.db.example",
                    first_bytes=round(dice.uniform(least, most) * GIB),
                    growth=dice.uniform(1.05, 1.9),
                    ratio=dice.uniform(0.22, 0.46),
                    bytes_per_s=round(dice.uniform(180, 520) * 1024**2),
                    lock_seconds=dice.uniform(0.04, 0.6) if flavour == "mariadb" else 0.0,
                    trouble=_TROUBLES.get(name, ""),
                )
            )
    return fleet
