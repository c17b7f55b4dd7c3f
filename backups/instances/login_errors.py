"""Why does a server not let an account in, where it reports more than a denied access?"""

from __future__ import annotations

import re

from backups.engines.base import Login
from backups.instances.grants import quoted_account

# Error numbers of MySQL and of MariaDB.
_LOCKED = {3118, 4151}
_EXPIRED = {1820, 1862}
_LIMIT = {1203, 1226}
# A denied access is reported in the same words.
SAME_ANSWER = (
    "A server gives the same answer if the account demands TLS or a client certificate "
    "(REQUIRE SSL, REQUIRE X509): look at SHOW CREATE USER."
)


def account_error(code: int, text: str, login: Login) -> tuple[str, str] | None:
    """Return what is wrong with the account, and what to do; None for any other error."""
    seen = re.search(r"@'([^']*)'", text)
    account = quoted_account(f"{login.user}@{seen[1] if seen else '%'}")
    if code in _LOCKED:
        return f"account {login.user} is locked", f"Run ALTER USER {account} ACCOUNT UNLOCK;"
    if code in _EXPIRED:
        return (
            f"the password of account {login.user} has expired",
            f"Run ALTER USER {account} PASSWORD EXPIRE NEVER; and set a new password if needed.",
        )
    if code in _LIMIT:
        limit = re.search(r"'(max_\w+)'", text)
        name = limit[1] if limit else "max_user_connections"
        return (
            f"account {login.user} has reached its {name}",
            f"Run ALTER USER {account} WITH {name.upper()} 0; or raise the limit.",
        )
    return None
