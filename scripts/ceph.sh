#!/usr/bin/env bash
# Unpacks Ceph with its object gateway into a folder of its own, for the tests of object stores: a
# real one that checks signatures. Nothing is installed and no service is started.
#
# usage: scripts/ceph.sh [FOLDER]       (default: var/ceph)
#
# The packages come from Debian's suite "trixie", with every library they need, the C library and
# Python included. MOORING_CEPH_DEBS names a folder that keeps them: filled by the first run, and
# read instead of the network afterwards.
set -euo pipefail

ROOT=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
SUITE=trixie
PACKAGES=(radosgw ceph-mon ceph-osd ceph-common)

# shellcheck source=scripts/console.sh
source "$ROOT/scripts/console.sh"
# shellcheck source=scripts/own_folder.sh
source "$ROOT/scripts/own_folder.sh"
# shellcheck source=scripts/private_packages.sh
source "$ROOT/scripts/private_packages.sh"

# runs FOLDER: whether its gateway starts.
runs() {
  local found
  found=$(find "$1/usr" -name 'ld-linux*.so.*' -print -quit 2>/dev/null)
  [[ -n $found ]] && "$found" --library-path "$(dirname "$found"):$(dirname "$found")/ceph" \
    "$1/usr/bin/radosgw" --version
}

target=$(readlink -m "${1:-$ROOT/var/ceph}")
runs "$target" 2>/dev/null && exit 0
for program in apt-get dpkg-deb awk; do
  command -v "$program" >/dev/null || fail "$program is not installed" \
    "Only Debian and its kin are known here; name an unpacked Ceph in MOORING_TEST_CEPH."
done

prepare_new "$target"
work=$(mktemp -d "${TMPDIR:-/tmp}/mooring-ceph-XXXXXX")
trap 'rm -rf "$work" "$target.new"' EXIT
trap 'exit 130' INT TERM HUP
packages=${MOORING_CEPH_DEBS:-$work/packages}
compgen -G "$packages/*.deb" >/dev/null || download Ceph "$SUITE" "$packages" "${PACKAGES[@]}"
unpack "$packages" "$target.new"
replace "$target"
runs "$target"
