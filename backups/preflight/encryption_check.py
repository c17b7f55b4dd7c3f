"""May a MySQL server with encrypted files be cloned? Its keys must stay secret all the way.

A donor sends the keys of encrypted files in the clear: over TLS only, and into a repository
that is encrypted itself. Facts in, a check out; nothing is read here.
"""

from __future__ import annotations

from collections.abc import Sequence

from backups.checks import Check, Verdict
from backups.instances.clone_facts import CloneFacts
from backups.instances.facts import ServerFacts
from backups.preflight.clone_checks import unlisted_tablespaces_check

NAME = "server encryption"
# Older servers cannot read the keyring in the backup.
KEYRING_SINCE = (8, 0, 24)


def check_encryption(
    facts: ServerFacts, clone: CloneFacts, open_repositories: Sequence[str]
) -> Check:
    """Check a donor; ``open_repositories`` are the unencrypted ones of the backup."""
    count = facts.innodb.encrypted_count if facts.innodb else 0
    if not count and not clone.encrypts_logs:
        if facts.innodb is None:
            return unlisted_tablespaces_check(NAME, facts)
        return Check(NAME, Verdict.OK, "no tablespace is encrypted by the server")
    found = _found(facts, clone)
    if problems := _problems(facts, clone, open_repositories):
        reasons = "; ".join(reason for reason, _ in problems)
        hint = " ".join(hint for _, hint in problems)
        return Check(NAME, Verdict.FAILED, f"{found}: {reasons}", hint)
    return Check(
        NAME, Verdict.OK, f"{found}; the backup stores their keys under its own master key"
    )


def _found(facts: ServerFacts, clone: CloneFacts) -> str:
    logs = "redo or undo log" if clone.encrypts_logs else ""
    count = facts.innodb.encrypted_count if facts.innodb else 0
    if not count:
        return f"the server encrypts its {logs}"
    spaces = f"{count} tablespace{' is' if count == 1 else 's are'} encrypted by the server"
    return f"{spaces}, and its {logs}" if logs else spaces


def _problems(
    facts: ServerFacts, clone: CloneFacts, open_repositories: Sequence[str]
) -> list[tuple[str, str]]:
    """Return the reasons against a backup of such an instance, each with a hint."""
    problems = []
    if open_repositories:
        names = ", ".join(open_repositories)
        problems.append(
            (
                f"their keys would be readable in {names}, which is not encrypted",
                "Use an encrypted repository for this instance.",
            )
        )
    if clone.uses_tls is False:
        problems.append(
            (
                "the connection does not use TLS, and a donor sends their keys over TLS only",
                "Set the instance's TLS to required, and enable TLS on the server.",
            )
        )
    if facts.release is not None and facts.release < KEYRING_SINCE:
        problems.append(
            (
                f"MySQL {facts.version} cannot read the keyring in the backup",
                "Upgrade the instance to 8.0.24 or newer.",
            )
        )
    return problems
