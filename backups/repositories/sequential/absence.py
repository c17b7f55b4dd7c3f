"""Is a piece really not on a medium, or does the medium only say so?

Most commands end with the same exit code when they fail and when they find nothing, and a list that
failed may be empty. So a "no" is believed only of a medium that in the same moment reports a piece
that is there for certain: that of the repository's identity. Otherwise it is unknown, and what the
piece belongs to is kept.
"""

from __future__ import annotations

from backups.exceptions import RepositoryError
from backups.repositories.sequential.base import Medium

UNKNOWN_HINT = (
    "Look at the media manager and at the command exists or list of the medium; an exit code that "
    "no failure has can be named with not_there."
)


def prove_absence(medium: Medium, piece: str, identity: str) -> None:
    """Raise RepositoryError unless ``medium``, which denied ``piece``, is to be believed."""
    if piece == identity:
        return
    if not medium.holds(identity):
        raise RepositoryError(
            f"whether piece {piece} is there is unknown: the medium reports neither it nor "
            f"{identity}, which every repository has",
            hint=UNKNOWN_HINT,
        )
    # A failure that ended between the two questions.
    if medium.holds(piece):
        raise RepositoryError(
            f"whether piece {piece} is there is unknown: the medium denied it, then reported it",
            hint=UNKNOWN_HINT,
            transient=True,
        )
