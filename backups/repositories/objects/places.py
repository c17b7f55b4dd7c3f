"""Which place in which object store does an address name?"""

from __future__ import annotations

from collections.abc import Callable

from backups.exceptions import BadInput
from backups.repositories.objects.azure.place import (
    AZURE_SCHEME,
    AzurePlace,
    azure_place,
    refuse_odd_azure,
)
from backups.repositories.objects.google.place import (
    GOOGLE_SCHEME,
    GooglePlace,
    google_place,
    refuse_odd_google,
)
from backups.repositories.objects.place import (
    SCHEME,
    BucketPlace,
    StorePlace,
    is_loopback,
    refuse_odd,
    split_address,
)

# What the hosts of the clouds themselves end with: tokens of a host are sent to no other.
CLOUDS_OWN = (
    ".googleapis.com",
    ".blob.core.windows.net",
    ".blob.core.usgovcloudapi.net",
    ".blob.core.chinacloudapi.cn",
)
PLACES: dict[str, Callable[[str], StorePlace]] = {
    SCHEME: lambda address: BucketPlace(*split_address(address)),
    AZURE_SCHEME: azure_place,
    GOOGLE_SCHEME: google_place,
}


def is_bucket_address(path: str) -> bool:
    """Whether what was entered is meant as a bucket, not as a folder."""
    return "://" in path


def place_at(address: str) -> StorePlace:
    """Return the place of an address, of which nothing else is known; or raise BadInput."""
    for scheme, parse in PLACES.items():
        if address.startswith(scheme):
            return parse(address)
    raise BadInput(
        f"{address} is no place that Mooring knows",
        hint="Enter s3://BUCKET, gs://BUCKET, az://ACCOUNT/CONTAINER or a folder.",
    )


def sends_tokens_elsewhere(place: StorePlace) -> bool:
    """Whether requests, which carry a token, go to a host that is neither the cloud's nor this."""
    return not (place.host.endswith(CLOUDS_OWN) or is_loopback(place.host))


def refuse_unusable(place: StorePlace) -> None:
    """Raise BadInput for settings that the store does not accept, or that no backup survives."""
    match place:
        case BucketPlace():
            refuse_odd(place)
        case AzurePlace():
            refuse_odd_azure(place)
        case GooglePlace():
            refuse_odd_google(place)
