#!/usr/bin/env bash
# Every check and every test, stopping at the first that fails. Called by `./mooring test`,
# which has set up everything; further words go to pytest.
set -euo pipefail

state=$(mktemp -d "${TMPDIR:-/tmp}/mooring-check-XXXXXX")
trap 'rm -rf "$state"' EXIT
trap 'exit 130' INT TERM HUP

check() {
  printf '\n== %s\n' "$1"
  shift
  "$@" || {
    printf '\nmooring: error: this failed: %s\n' "$*" >&2
    exit 1
  }
}
# Django's own checks look at the settings an operator would have, behind TLS.
deployed() { MOORING_HOME=$state MOORING_TLS=yes python manage.py "$@"; }

MOORING_HOME=$state python -c "
from pathlib import Path
from scripts.state_folder import prepare_folder
prepare_folder(Path('$state'))"

check "format" ruff format --check .
check "lint" ruff check .
check "security lint" bandit -q -r backups alerts monitor scripts -c pyproject.toml
check "types" mypy
check "imports" lint-imports
check "migrations" deployed makemigrations --check --dry-run
check "settings" deployed check --deploy --fail-level WARNING
# Beside MariaDB, which is installed, a MySQL is unpacked: the two cannot be installed together.
export MOORING_TEST_MYSQL=${MOORING_TEST_MYSQL:-$PWD/var/mysql}
[[ -x $MOORING_TEST_MYSQL/bin/mysqld ]] ||
  check "a MySQL to test with" bash scripts/mysql_server.sh "$MOORING_TEST_MYSQL"
# One that is too old to be cloned, to see it refused.
export MOORING_TEST_MYSQL57=${MOORING_TEST_MYSQL57:-$PWD/var/mysql57}
[[ -x $MOORING_TEST_MYSQL57/server/mysqld ]] ||
  check "a MySQL to refuse" bash scripts/mysql57.sh "$MOORING_TEST_MYSQL57"
check "tests on SQLite, with real servers" pytest -n 2 --dist loadfile "$@"
check "tests on PostgreSQL" python -m scripts.private_postgres \
  pytest -n 2 --dist loadfile -m "not live" "$@"
