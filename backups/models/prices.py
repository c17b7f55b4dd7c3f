"""What a repository's store charges: columns of its row."""

from __future__ import annotations

from typing import Any

from django.core.validators import MinValueValidator, RegexValidator
from django.db import models

from backups.repositories.prices import PriceList

PRICE_COLUMNS = ("currency", "price_storage", "price_writes", "price_reads", "price_egress")


def _price(name: str, what: str) -> models.DecimalField[Any, Any]:
    """Any: what Django's stubs take for the types of a price."""
    return models.DecimalField(
        name,
        max_digits=12,
        decimal_places=6,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=f"Of {what}; blank is unknown.",
    )


class PriceSettings(models.Model):
    """The price list of a store, to estimate what backups and restores cost."""

    currency = models.CharField(
        max_length=3,
        blank=True,
        validators=[RegexValidator("^[A-Z]{3}$", "Enter three letters, as EUR.")],
        help_text="Of the prices below, as EUR.",
    )
    price_storage = _price("price of storage", "a GiB that is stored for a month")
    price_writes = _price("price of writing", "1000 requests that write or list")
    price_reads = _price("price of reading", "1000 requests that read")
    price_egress = _price("price of egress", "a GiB that leaves the store")

    class Meta:
        abstract = True

    @property
    def prices(self) -> PriceList:
        return PriceList(
            self.currency,
            self.price_storage,
            self.price_writes,
            self.price_reads,
            self.price_egress,
        )
