#!/usr/bin/env bash
# Unpacks the plugins of MariaDB's server into a folder of their own, for the tests of encrypted
# tables and of storage engines that are plugins. Nothing is installed: Debian's package would
# start a service.
#
# usage: scripts/mariadb_plugins.sh [FOLDER]       (default: var/mariadb-plugins)
#
# A server loads only plugins of its own release, so they are of the version that is installed.
set -euo pipefail

ROOT=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
PACKAGE=mariadb-server
PLUGINS=usr/lib/mysql/plugin

# shellcheck source=scripts/console.sh
source "$ROOT/scripts/console.sh"

for program in apt-get dpkg-deb dpkg-query; do
  command -v "$program" >/dev/null || fail "$program is not installed" "Only Debian and its kin are \
known here; name a folder of your server's plugins in MOORING_TEST_MARIADB_PLUGINS."
done
version=$(dpkg-query --show --showformat='${Version}' mariadb-server-core 2>/dev/null) ||
  fail "mariadb-server-core is not installed, so the version of the plugins is unknown" \
    "Run: apt-get install mariadb-server-core"

target=$(readlink -m "${1:-$ROOT/var/mariadb-plugins}")
if [[ $(cat "$target/version" 2>/dev/null) == "$version" ]]; then
  echo "plugins of $PACKAGE $version"
  exit 0
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/mooring-plugins-XXXXXX")
trap 'rm -rf "$work" "$target.new"' EXIT
trap 'exit 130' INT TERM HUP
cd "$work"
apt-get -q download "$PACKAGE=$version" >log 2>&1 || {
  tail -n 8 log >&2
  fail "the package $PACKAGE $version could not be fetched" "Run apt-get update; a mirror that has \
only a newer one needs mariadb-server-core upgraded first."
}
rm -rf "$target.new"
mkdir -p "$target.new"
dpkg-deb --fsys-tarfile "$PACKAGE"_*.deb | tar -x -C "$target.new" --wildcards \
  --strip-components="$(awk -F/ '{ print NF + 1 }' <<<"$PLUGINS")" "./$PLUGINS/*.so"
echo "$version" >"$target.new/version"
rm -rf "$target"
mv "$target.new" "$target"
echo "plugins of $PACKAGE $version"
