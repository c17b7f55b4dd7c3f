"""How is botocore used: by which session, and which errors does it raise?

Imported when it is needed: it is large, and most processes never use an object store.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Protocol

from backups.exceptions import RepositoryError
from backups.repositories.objects.errors import store_error
from backups.repositories.objects.place import BucketPlace

# A session is not for several threads at a time.
SESSION_LOCK = threading.Lock()
METADATA_TRIES, METADATA_SECONDS = 3, 2


class Calling(Protocol):
    """What requests are made by that obstore has no call for."""

    place: BucketPlace

    def calls(self) -> Any:
        """Return a client of botocore. Any: it has no types."""
        ...


@cache
def session() -> Any:
    """Return what clients of botocore are made by; it reads megabytes of descriptions."""
    return new_session()


def new_session() -> Any:
    """Return a session that follows no profile of the environment: it is meant for others."""
    from botocore.session import Session

    made = Session()
    made.session_var_map["profile"] = (None, None, None, None)
    made.set_config_variable("metadata_service_num_attempts", METADATA_TRIES)
    made.set_config_variable("metadata_service_timeout", METADATA_SECONDS)
    return made


@cache
def call_errors() -> tuple[type[Exception], ...]:
    """Return what botocore raises: also for names and responses that it cannot parse."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    # A response without what it must have is a KeyError.
    unparsed = (ResponseParserError, KeyError)
    return BotoCoreError, ClientError, *unparsed, OSError, ValueError, RuntimeError


@contextmanager
def naming_calls(shown: str, what: str) -> Iterator[None]:
    """Turn an error of botocore into a RepositoryError, without the text of a response."""
    try:
        yield
    except call_errors() as exc:
        raise store_error(shown, what, text_of(exc), code_of(exc)) from None


def text_of(exc: Exception) -> str:
    return f"{type(exc).__name__}: {exc}"


def code_of(exc: Exception) -> str:
    """Return the code of the store in an error of botocore; blank if there is none."""
    response = getattr(exc, "response", None)
    error = response.get("Error") if isinstance(response, dict) else None
    return str(error.get("Code", "")) if isinstance(error, dict) else ""


def role_error(exc: Exception) -> RepositoryError:
    """Return the words for a role whose credentials could not be read."""
    return RepositoryError(
        f"the role of this host gave no credentials: {code_of(exc) or type(exc).__name__}",
        hint="Check the metadata service, or the role and token file of the pod.",
        transient=True,
    )
