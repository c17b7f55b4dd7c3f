#!/usr/bin/env bash
# Unpacks a MariaDB of a newer series than this machine's into a folder of its own, for the tests
# that rehearse an upgrade to it. Nothing is installed: neither the packages nor the package lists
# of this machine change.
#
# usage: scripts/newer_mariadb.sh [FOLDER]       (default: var/mariadb-11.8)
#
# The packages come from Debian's suite "trixie", from the mirror that this machine uses, with every
# library they need, the C library included. The folder cannot be moved: its programs know where
# their libraries are.
set -euo pipefail

ROOT=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
SUITE=trixie
PACKAGES=(mariadb-server-core mariadb-client-core mariadb-client patchelf)
PROGRAMS=(usr/sbin/mariadbd usr/bin/{mariadb,mariadb-check,mariadb-upgrade})

# shellcheck source=scripts/console.sh
source "$ROOT/scripts/console.sh"
# shellcheck source=scripts/own_folder.sh
source "$ROOT/scripts/own_folder.sh"
# shellcheck source=scripts/private_packages.sh
source "$ROOT/scripts/private_packages.sh"

# assemble FOLDER: programs, messages and the libraries they need, and nothing else.
assemble() {
  local program
  # Without a plugin folder of its own it would look into that of the installed MariaDB.
  mkdir -p "$1"/{bin,lib,plugin,share}
  for program in "${PROGRAMS[@]}"; do
    cp "$root/$program" "$1/bin/"
  done
  cp -a "$root"/usr/share/mariadb/{english,charsets} "$1/share/"
  gather_libraries "$1" "$1"/bin/*
}

target=$(readlink -m "${1:-$ROOT/var/mariadb-11.8}")
if [[ -x $target/bin/mariadbd ]] && "$target/bin/mariadbd" --no-defaults --version; then
  exit 0
fi
[[ $target != *[[:space:]]* ]] || fail "the path of the folder holds a space: $target"
for program in apt-get dpkg-deb awk; do
  command -v "$program" >/dev/null || fail "$program is not installed" \
    "Only Debian and its kin are known here; set MOORING_TEST_MARIADB_NEWER to a MariaDB of your own."
done

prepare_new "$target"
work=$(mktemp -d "${TMPDIR:-/tmp}/mooring-mariadb-XXXXXX")
root=$work/root
trap 'rm -rf "$work" "$target.new"' EXIT
trap 'exit 130' INT TERM HUP
download MariaDB "$SUITE" "$work/packages" "${PACKAGES[@]}"
unpack "$work/packages" "$root"
assemble "$target.new"
bind_libraries "$target.new" "$target" "${PROGRAMS[@]##*/}"
replace "$target"
"$target/bin/mariadbd" --no-defaults --version
