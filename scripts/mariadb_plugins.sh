#!/usr/bin/env bash
# Unpacks the plugins of MariaDB's server into a folder of their own, for the tests of encrypted
# tables and of storage engines that are plugins. Nothing is installed: Debian's package would
# start a service.
#
# usage: scripts/mariadb_plugins.sh [FOLDER]       (default: var/mariadb-plugins)
#
# A server loads only plugins of its own release, so they are of the version that is installed.
# Libraries that some of them need are put in a folder beside them.
set -euo pipefail

ROOT=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
PACKAGES=(mariadb-server mariadb-plugin-rocksdb mariadb-plugin-connect)
# What the plugins need and no other package here brings; and what points them to it.
LIBRARIES=(libsnappy1v5 libodbc2 libltdl7)
TOOL=patchelf
PLUGINS=usr/lib/mysql/plugin

# shellcheck source=scripts/console.sh
source "$ROOT/scripts/console.sh"
# shellcheck source=scripts/own_folder.sh
source "$ROOT/scripts/own_folder.sh"

for program in apt-get dpkg-deb dpkg-query; do
  command -v "$program" >/dev/null || fail "$program is not installed" "Only Debian and its kin are \
known here; name a folder of your server's plugins in MOORING_TEST_MARIADB_PLUGINS."
done
version=$(dpkg-query --show --showformat='${Version}' mariadb-server-core 2>/dev/null) ||
  fail "mariadb-server-core is not installed, so the version of the plugins is unknown" \
    "Run: apt-get install mariadb-server-core"

target=$(readlink -m "${1:-$ROOT/var/mariadb-plugins}")
made="$version of ${PACKAGES[*]}"
if [[ $(cat "$target/version" 2>/dev/null) == "$made" ]]; then
  echo "plugins $made"
  exit 0
fi
prepare_new "$target"
work=$(mktemp -d "${TMPDIR:-/tmp}/mooring-plugins-XXXXXX")
trap 'rm -rf "$work" "$target.new"' EXIT
trap 'exit 130' INT TERM HUP
cd "$work"
apt-get -q download "${PACKAGES[@]/%/=$version}" "${LIBRARIES[@]}" "$TOOL" >log 2>&1 || {
  tail -n 8 log >&2
  fail "the packages of $version could not be fetched" "Run apt-get update; a mirror that has \
only newer ones needs mariadb-server-core upgraded first."
}
mkdir -p "$target.new/lib" unpacked
for package in "${PACKAGES[@]}"; do
  dpkg-deb --fsys-tarfile "$package"_*.deb | tar -x -C "$target.new" --wildcards \
    --strip-components="$(awk -F/ '{ print NF + 1 }' <<<"$PLUGINS")" "./$PLUGINS/*.so"
done
for package in "${LIBRARIES[@]}" "$TOOL"; do
  dpkg-deb --extract "$package"_*.deb unpacked
done
cp -a unpacked/usr/lib/*/*.so.* "$target.new/lib/"
for plugin in rocksdb connect; do
  # shellcheck disable=SC2016  # for the loader, not for this shell
  "unpacked/usr/bin/$TOOL" --set-rpath '$ORIGIN/lib' "$target.new/ha_$plugin.so"
done
for library in "$target.new"/lib/*.so.*; do
  # shellcheck disable=SC2016
  [[ -L $library ]] || "unpacked/usr/bin/$TOOL" --set-rpath '$ORIGIN' "$library"
done
echo "$made" >"$target.new/version"
replace "$target"
echo "plugins $made"
