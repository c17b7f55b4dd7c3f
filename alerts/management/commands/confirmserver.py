"""Says what the other server at an instance's address is."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils.timezone import now

from alerts.evaluation.new_history import confirm_server
from backups.instances.identity import Replacement
from backups.management.output import Answer, MooringCommand
from backups.management.rows import named_instance


class Command(MooringCommand):
    help = "Say what the other server at an instance's address is."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="Name of the instance.")
        parser.add_argument(
            "--as",
            dest="kind",
            required=True,
            choices=[kind.value for kind in Replacement],
            help="restored: the same data from a backup. failed-over: another member of the same "
            "data. another: other data, so that a new history begins.",
        )

    def answer(self, options: dict[str, Any]) -> Answer:
        instance, kind = named_instance(options["name"]), Replacement(options["kind"])
        accepted = confirm_server(instance, kind, now())
        shown = [f"{accepted}: its server is {accepted.server_identity} from now on."]
        if accepted.pk != instance.pk:
            instance.refresh_from_db()
            shown.append(f"Its earlier backups belong to {instance}, which is disabled.")
        return Answer(
            {"name": accepted.name, "uuid": accepted.uuid, "server": accepted.server_identity},
            shown,
        )
