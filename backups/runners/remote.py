"""What runs on the remote side of ssh so that a command there ends with this process?

sshd does not end a command when the connection breaks. So the command runs beside a watcher that
reads the connection: when that ends, for any reason, the watcher ends the command's whole session
and removes its secret files. Plain POSIX shell plus ``setsid``,
``nice``, ``head`` and ``mktemp``; nothing is installed. The command runs at low priority, as far
as that host can do it (see ``priority``): the server comes first.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from backups.runners.priority import low_priority_wanted

# Standard input carries first the secret files, one after the other, then nothing until it
# ends. It is kept as 3, because a shell gives its background jobs an empty standard input.
# The watcher alone reads it then; "read" is the shell's own, so no process lingers on it.
_SCRIPT = """\
umask 077
folder=/dev/shm
[ -w "$folder" ] || folder=${TMPDIR:-/tmp}
secrets=$(mktemp -d "$folder/mooring.XXXXXXXX") || exit 126
trap 'rm -rf "$secrets"' EXIT
trap 'exit 129' HUP INT TERM
SECRET_FILES
exec 3<&0 </dev/null
PRIORITY
setsid "$@" $low COMMAND 3<&- &
command=$!
end() { kill "-$1" "-$command" 2>/dev/null || kill "-$1" "$command" 2>/dev/null; }
watch() {
    read -r nothing
    end TERM
    for tenth in 1 2 3 4 5 6 7 8 9 10; do
        kill -0 "-$command" 2>/dev/null || break
        sleep 0.1
    done
    end KILL
    rm -rf "$secrets"
}
watch <&3 >/dev/null 2>&1 &
watcher=$!
exec 3<&-
wait "$command"
code=$?
kill "$watcher" 2>/dev/null
exit "$code"
"""

# The shell between setsid and the command lowers the session that it is the leader of. A kernel
# lets users other than root do so once in a tenth of a second, all together.
_LOW = """\
lower='for attempt in 1 2 3 4 5; do
    { echo 10 >/proc/$$/autogroup; } 2>/dev/null && break
    [ -w /proc/$$/autogroup ] || break
    sleep 0.1
done
exec "$@"'
low="nice -n 10"
ionice -c best-effort -n 7 true >/dev/null 2>&1 && low="ionice -c best-effort -n 7 $low"
chrt -b 0 true >/dev/null 2>&1 && low="chrt -b 0 $low"
set -- sh -c "$lower" sh"""


def build_script(argv: Sequence[str], secret_files: Mapping[str, str]) -> str:
    """Return the shell command that runs ``argv`` as described above."""
    files = "\n".join(
        f'head -c {len(text.encode())} >"$secrets"/{_plain(name)} || exit 126'
        for name, text in secret_files.items()
    )
    command = " ".join(_word(word, secret_files) for word in argv)
    priority = _LOW if low_priority_wanted() else 'low=""'
    script = _SCRIPT.replace("SECRET_FILES", files).replace("PRIORITY", priority)
    script = script.replace("COMMAND", command)
    # Explicitly sh: the login shell may be any.
    return "exec sh -c " + shlex.quote(script)


def _word(word: str, secret_files: Mapping[str, str]) -> str:
    """Quote a word of the command; only ``{name}`` of a secret file becomes its path."""
    parts = re.split(r"(\{\w+\})", word)
    return "".join(
        f'"$secrets"/{part[1:-1]}'
        if part.startswith("{") and part[1:-1] in secret_files
        else shlex.quote(part)
        for part in parts
        if part or len(parts) == 1
    )


def _plain(name: str) -> str:
    if not re.fullmatch(r"\w+", name, flags=re.ASCII):
        raise ValueError(f"{name!r} is not a name for a secret file")
    return name
