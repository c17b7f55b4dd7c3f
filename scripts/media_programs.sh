#!/usr/bin/env bash
# Unpacks age, mbuffer and Bacula into a folder of their own, for the tests of pipes and tapes: the
# programs that a DBA puts behind them. Nothing is installed and no service is started.
#
# usage: scripts/media_programs.sh [FOLDER]       (default: var/media-programs)
#
# The packages come from Debian's suite "trixie", with every library they need, the C library
# included. MOORING_MEDIA_DEBS names a folder that keeps them: filled by the first run, and read
# instead of the network afterwards.
set -euo pipefail

ROOT=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
SUITE=trixie
PACKAGES=(age mbuffer bacula-sd bacula-fd bacula-director bacula-director-sqlite3 bacula-console)

# shellcheck source=scripts/console.sh
source "$ROOT/scripts/console.sh"
# shellcheck source=scripts/own_folder.sh
source "$ROOT/scripts/own_folder.sh"
# shellcheck source=scripts/private_packages.sh
source "$ROOT/scripts/private_packages.sh"

# runs FOLDER: whether age and mbuffer start, and Bacula is whole.
runs() {
  local found
  found=$(find "$1/usr" -name 'ld-linux*.so.*' -print -quit 2>/dev/null)
  [[ -n $found && -e $1/usr/lib/bacula/bpipe-fd.so ]] && "$1/usr/bin/age" --version &&
    "$found" --library-path "$(dirname "$found")" "$1/usr/bin/mbuffer" --version
}

target=$(readlink -m "${1:-$ROOT/var/media-programs}")
runs "$target" >/dev/null 2>&1 && exit 0
for program in apt-get dpkg-deb awk; do
  command -v "$program" >/dev/null || fail "$program is not installed" \
    "Only Debian and its kin are known here; name unpacked programs in MOORING_TEST_MEDIA_PROGRAMS."
done

prepare_new "$target"
work=$(mktemp -d "${TMPDIR:-/tmp}/mooring-media-XXXXXX")
trap 'rm -rf "$work" "$target.new"' EXIT
trap 'exit 130' INT TERM HUP
packages=${MOORING_MEDIA_DEBS:-$work/packages}
compgen -G "$packages/*.deb" >/dev/null ||
  download "programs for media" "$SUITE" "$packages" "${PACKAGES[@]}"
unpack "$packages" "$target.new"
replace "$target"
runs "$target"
