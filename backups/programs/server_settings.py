"""Which settings did a backed-up server have? The value in a manifest, without a connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """The settings of a server at the time of a backup. Empty is unknown."""

    variables: Mapping[str, str] = field(default_factory=dict)
    # Name to library, of plugins that are not built in.
    plugins: Mapping[str, str] = field(default_factory=dict)
    # Host and port that a MariaDB replicated from, by the name of the connection.
    sources: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "variables": dict(self.variables),
            "plugins": dict(self.plugins),
            "sources": dict(self.sources),
        }


def parse_server_settings(described: object) -> ServerSettings:
    """Read the settings in a manifest; older ones have none."""
    if not isinstance(described, dict):
        return ServerSettings()
    return ServerSettings(
        described.get("variables", {}), described.get("plugins", {}), described.get("sources", {})
    )
