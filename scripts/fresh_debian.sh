#!/usr/bin/env bash
# Does Mooring set itself up and pass its tests on a Debian on which nothing is installed?
#
# usage: scripts/fresh_debian.sh [--keep] SUITE [STEP...]     (as root; SUITE: bookworm, trixie)
#
# Makes a minimal Debian with git, python3 and ca-certificates in a temporary folder, clones the
# last commit of this repository into it, and runs the steps in it: each is a command line of
# ./mooring. Without any: "demo --once" and "test". Says which failed; nothing is left behind.
#
# Packages come from wherever this machine takes its own: apt's mirror and proxies, pip's and npm's
# configuration and local certificates are used in there as well. MOORING_TEST_MYSQL,
# _MARIADB_NEWER and, for the suite of this machine, _MYSQL57, _CEPH and _MEDIA_PROGRAMS may name
# unpacked ones to use instead of fetching them: these need libraries that other suites lack. The
# plugins of MariaDB are always fetched: those of this machine may be of another release.
# --keep leaves the folder, to look at.
set -euo pipefail

ROOT=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
# shellcheck source=scripts/console.sh
source "$ROOT/scripts/console.sh"
# A home that nobody else may read, as root's is.
CLONE=/root/mooring
PACKAGES=git,python3,ca-certificates
PASSED_ON='^(https?_proxy|HTTPS?_PROXY|no_proxy|NO_PROXY|PIP_.*|npm_config_.*|SSL_CERT_FILE|'
PASSED_ON+='REQUESTS_CA_BUNDLE|NODE_EXTRA_CA_CERTS|MOORING_TEST_(MYSQL|MYSQL57|MARIADB_NEWER|CEPH|AZURITE))='

own_suite() {
  # shellcheck disable=SC1091
  (. /etc/os-release && echo "$VERSION_CODENAME")
}

# sources SUITE: the lines of this machine's own Debian mirror, for another suite.
sources() {
  local release
  release=$(own_suite)
  # shellcheck disable=SC2016 # apt fills these in
  apt-get indextargets --format '$(RELEASE) $(REPO_URI) $(COMPONENT) $(ORIGIN)' \
    'Created-By: Packages' |
    awk -v release="$release" -v suite="$1" \
      '$4 == "Debian" && sub("^" release, suite, $1) { print "deb", $2, $1, $3 }'
}

# bind FOLDER [PATH]: show a folder of this machine in there, to be read.
bind() {
  local inside=$root${2:-$1}
  mkdir -p "$inside"
  mount --bind "$1" "$inside"
  mount -o remount,bind,ro "$inside"
}

make_debian() {
  local options=$work/apt.conf
  apt-config dump | grep -E '^Acquire::(https?|ftp|Retries|Check-|Languages)' >"$options" || true
  sources "$suite" >"$work/sources.list"
  [[ -s $work/sources.list ]] || fail "apt knows no Debian mirror" "Run: apt-get update"
  patiently "making a minimal $suite" quietly "$work/log" \
    mmdebstrap --variant=minbase --include="$PACKAGES" --aptopt="$options" \
    --dpkgopt=force-unsafe-io \
    "$suite" "$root" "$work/sources.list" || {
    tail -n 12 "$work/log" >&2
    fail "a minimal $suite could not be made"
  }
  cp "$options" "$root/etc/apt/apt.conf.d/90like-its-host"
}

configure() {
  local file
  cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
  for file in /etc/pip.conf /etc/xdg/pip ~/.config/pip/pip.conf ~/.pip/pip.conf; do
    [[ -e $file ]] && mkdir -p "$root${file%/*}" && cp -rL "$file" "$root$file"
  done
  if [[ -d /usr/local/share/ca-certificates ]]; then
    cp -rL /usr/local/share/ca-certificates "$root/usr/local/share/"
    chroot "$root" update-ca-certificates >"$work/log" 2>&1
  fi
  # Folders of packages that pip is configured to look into.
  { pip_configuration | grep -oE '(file://)?/[^ ]+' || true; } | sed 's,^file://,,; s,/simple/*$,,' |
    sort -u | while read -r file; do
    [[ ! -d $file || -d $root$file ]] || bind "$file"
  done
  for file in "${MOORING_TEST_MYSQL:-}" "${MOORING_TEST_MYSQL57:-}" \
    "${MOORING_TEST_MARIADB_NEWER:-}" "${MOORING_TEST_CEPH:-}" "${MOORING_TEST_AZURITE:-}" \
    "${MOORING_TEST_MEDIA_PROGRAMS:-}"; do
    # Its programs know where their libraries are, so it has to have the same path.
    [[ -z $file ]] || bind "$file"
  done
}

pip_configuration() {
  env | grep '^PIP_' || true
  cat "$root"/etc/pip.conf "$root"/etc/xdg/pip/pip.conf "$root"/root/.config/pip/pip.conf \
    "$root"/root/.pip/pip.conf 2>/dev/null || true
}

mount_kernel_folders() {
  # A mount of its own: bubblewrap builds no walls on a root that is none.
  mount --bind "$root" "$root"
  mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  mount -t sysfs -o ro sysfs "$root/sys"
  mount -t tmpfs tmpfs "$root/run"
}

# step WORDS: run ./mooring WORDS in there.
step() {
  local environment words
  mapfile -t environment < <(env | grep -E "$PASSED_ON" || true)
  read -ra words <<<"$1"
  chroot "$root" /usr/bin/env -i -C "$CLONE" PATH=/usr/local/bin:/usr/bin:/bin HOME=/root \
    LANG=C.UTF-8 TERM="${TERM:-dumb}" MOORING_PORT="$port" "${environment[@]}" \
    ./mooring "${words[@]}" </dev/null
}

inside() {
  local words began failed=() results=()
  make_debian
  mount_kernel_folders
  configure
  git clone -q --no-hardlinks "file://$ROOT" "$root$CLONE"
  port=$(chroot "$root" python3 -c \
    'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  for words in "${steps[@]}"; do
    began=$SECONDS
    say "$suite: ./mooring $words"
    if step "$words"; then
      results+=("passed in $((SECONDS - began)) s: ./mooring $words")
    else
      results+=("FAILED after $((SECONDS - began)) s: ./mooring $words")
      failed+=("$words")
    fi
  done
  for words in "${results[@]}"; do
    say "$suite ($(cat "$root/etc/debian_version")): $words"
  done
  [[ ${#failed[@]} -eq 0 ]] || fail "on a fresh $suite this failed: ${failed[*]}"
}

clean_up() {
  # The first process of the namespace takes all others and every mount with it.
  kill -KILL "$namespace" 2>/dev/null || true
  wait "$namespace" 2>/dev/null || true
  if [[ -n $keep ]]; then
    say "left to look at: $work"
  else
    rm -rf --one-file-system "$work" 2>/dev/null || { sleep 1 && rm -rf --one-file-system "$work"; }
  fi
}

keep=
[[ ${1:-} != --keep ]] || { keep=yes && shift; }
suite=${1:-}
[[ -n $suite ]] || fail "which suite?" "Name one: scripts/fresh_debian.sh bookworm."
[[ $EUID -eq 0 ]] || fail "only root can do this" "Run it as root."
for program in mmdebstrap unshare git; do
  command -v "$program" >/dev/null || fail "$program is not installed" \
    "On Debian: apt-get install mmdebstrap util-linux git."
done
[[ $suite == "$(own_suite)" ]] ||
  unset MOORING_TEST_MYSQL57 MOORING_TEST_CEPH MOORING_TEST_MEDIA_PROGRAMS
steps=("${@:2}")
[[ ${#steps[@]} -gt 0 ]] || steps=("demo --once" test)

if [[ -n ${MOORING_FRESH_FOLDER:-} ]]; then
  work=$MOORING_FRESH_FOLDER root=$work/root
  inside
  exit
fi
namespace=
work=$(mktemp -d "${TMPDIR:-/var/tmp}/mooring-debian-XXXXXX")
trap clean_up EXIT
trap 'exit 130' INT TERM HUP
MOORING_FRESH_FOLDER=$work unshare --mount --pid --fork --kill-child --mount-proc \
  bash "$0" "$suite" "${steps[@]}" &
namespace=$!
wait "$namespace"
