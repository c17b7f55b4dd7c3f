#!/usr/bin/env bash
# Unpacks a real MySQL server into a folder of its own, for tests and the demo. Nothing is
# installed: neither the packages nor the package lists of this machine change.
#
# usage: scripts/mysql_server.sh [FOLDER]       (default: var/mysql)
#
# The packages come from Debian's suite "sid" (MOORING_MYSQL_SUITE), from the mirror that this
# machine uses, with every library they need, the C library included. MOORING_MYSQL_DEBS names a
# folder that keeps them: filled by the first run, and read instead of the network afterwards.
# The folder cannot be moved: its programs know where their libraries are.
set -euo pipefail

ROOT=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
SUITE=${MOORING_MYSQL_SUITE:-sid}
PACKAGES=(mysql-server-core mysql-client-core patchelf)
PROGRAMS=(usr/sbin/mysqld usr/bin/{mysql,mysqladmin,mysqlbinlog,mysqldump,innochecksum,ibd2sdi})

# shellcheck source=scripts/console.sh
source "$ROOT/scripts/console.sh"
# shellcheck source=scripts/own_folder.sh
source "$ROOT/scripts/own_folder.sh"
# shellcheck source=scripts/private_packages.sh
source "$ROOT/scripts/private_packages.sh"

# assemble FOLDER: programs, plugins, messages and the libraries they need, and nothing else.
assemble() {
  local program
  mkdir -p "$1"/{bin,lib,plugin,share}
  for program in "${PROGRAMS[@]}"; do
    cp "$root/$program" "$1/bin/"
  done
  cp -a "$root"/usr/lib/mysql/plugin/*.so "$1/plugin/"
  cp -a "$root"/usr/share/mysql/{english,charsets} "$1/share/"
  gather_libraries "$1" "$1"/bin/* "$1"/plugin/*.so
  # Looked for by name at run time, so that nobody lists them.
  cp -L "$libraries"/libnss_{files,dns}.so.2 "$1/lib/" 2>/dev/null || true
  # Lets each data directory choose a keyring by a mysqld.my and a cnf file of its own.
  echo '{"read_local_manifest": true}' >"$1/bin/mysqld.my"
  echo '{"read_local_config": true}' >"$1/plugin/component_keyring_file.cnf"
}

target=$(readlink -m "${1:-$ROOT/var/mysql}")
if [[ -x $target/bin/mysqld ]] && "$target/bin/mysqld" --no-defaults --version; then
  exit 0
fi
[[ $target != *[[:space:]]* ]] || fail "the path of the folder holds a space: $target"
for program in apt-get dpkg-deb awk; do
  command -v "$program" >/dev/null || fail "$program is not installed" \
    "Only Debian and its kin are known here; set MOORING_TEST_MYSQL to a MySQL of your own."
done

prepare_new "$target"
work=$(mktemp -d "${TMPDIR:-/tmp}/mooring-mysql-XXXXXX")
root=$work/root
trap 'rm -rf "$work" "$target.new"' EXIT
trap 'exit 130' INT TERM HUP
packages=${MOORING_MYSQL_DEBS:-$work/packages}
compgen -G "$packages/*.deb" >/dev/null || download MySQL "$SUITE" "$packages" "${PACKAGES[@]}"
unpack "$packages" "$root"
assemble "$target.new"
bind_libraries "$target.new" "$target" "${PROGRAMS[@]##*/}"
replace "$target"
"$target/bin/mysqld" --no-defaults --version
