# shellcheck shell=bash
# Installs the system packages Mooring needs, where they are missing, and nothing else: no
# service is started or enabled and no database cluster is made. Sourced by ./mooring.

# program or file → Debian package. A program that is there may come from anywhere.
RUN_PROGRAMS=(
  "mariadbd mariadb-server-core"
  "mariadb-install-db mariadb-server-core"
  "mariadb mariadb-client-core"
  "mariadb-backup mariadb-backup"
  "mbstream mariadb-backup"
  "redis-server redis-server"
  "setpriv util-linux"
  "bwrap bubblewrap"
)
TEST_PROGRAMS=(
  "git git"
  "ssh openssh-client"
  "ssh-keygen openssh-client"
  "sftp openssh-client"
  "sshd openssh-server"
  "/usr/lib/openssh/sftp-server openssh-sftp-server"
  "bindfs bindfs"
  "initdb postgresql"
  "chromium chromium"
  "npm npm"
  "my_print_defaults mariadb-client-core"
  "innochecksum mariadb-server-core"
  "shellcheck shellcheck"
  "sysbench sysbench"
  "zstd zstd"
  "cc gcc"
  "gencat libc6-dev"
)
# Packages that bring a service. One installed here is switched off again.
SERVICES=(redis-server postgresql ssh)

POLICY=/usr/sbin/policy-rc.d
OURS="here only while mooring installs packages"
CLUSTERS=/etc/postgresql-common/createcluster.d/mooring.conf

# Debian keeps servers out of a user's PATH, and PostgreSQL's programs out of everybody's.
has_program() {
  PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1 ||
    compgen -G "/usr/lib/postgresql/*/bin/$1" >/dev/null
}

# missing_packages run|test: the packages to install, one per line.
missing_packages() {
  local entry programs=("${RUN_PROGRAMS[@]}")
  [[ $1 == test ]] && programs+=("${TEST_PROGRAMS[@]}")
  {
    for entry in "${programs[@]}"; do
      has_program "${entry% *}" || echo "${entry#* }"
    done
    "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
  } | sort -u
}

ensure_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$1")
  [[ ${#missing[@]} -eq 0 ]] && return
  has_program apt-get || fail "these are not installed: ${missing[*]}" \
    "Install what provides them on this system; Mooring knows only Debian's packages."
  if [[ $EUID -eq 0 ]]; then
    install_packages "${missing[@]}"
  elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 ]]; }; then
    say "installing ${missing[*]} needs root: asking sudo"
    sudo bash "$ROOT/mooring" install-packages "${missing[@]}"
  else
    fail "these packages are missing and this user may not install them: ${missing[*]}" \
      "Run as root: apt-get install --no-install-recommends ${missing[*]}"
  fi
}

# The user without rights that programs run as which open the files of a backup.
RUN_USER=${MOORING_RUN_USER:-mooring}
ensure_run_user() {
  [[ $EUID -ne 0 ]] && return
  id -u "$RUN_USER" >/dev/null 2>&1 && return
  say "creating the system user $RUN_USER, without a home and a shell"
  PATH=$PATH:/usr/sbin:/sbin useradd --system --no-create-home --home-dir /nonexistent \
    --shell /usr/sbin/nologin "$RUN_USER" || fail "the user $RUN_USER could not be created" \
    "Create it, or name another one without rights in MOORING_RUN_USER."
}

# install_packages NAME...: as root.
install_packages() (
  local began=$SECONDS services=() service log
  say "installing ${*} (nothing of it will be started) …"
  for service in "${SERVICES[@]}"; do
    service_known "$service" || services+=("$service")
  done
  log=$(mktemp)
  trap 'restore_guards; rm -f "$log"' EXIT
  trap 'exit 130' INT TERM HUP
  put_up_guards
  apt_get "$log" install -y --no-install-recommends "$@"
  for service in "${services[@]}"; do
    switch_off "$service"
  done
  say "installing ${*}: done in $((SECONDS - began)) s"
)

service_known() { [[ -e /etc/init.d/$1 || -e /lib/systemd/system/$1.service ]]; }

# What the packages' own scripts ask before they start a service: the answer is no.
put_up_guards() {
  # A run that was killed has left its own guard behind: that one is not worth keeping.
  if [[ -e $POLICY || -L $POLICY ]] && ! grep -q "$OURS" "$POLICY"; then
    mv "$POLICY" "$POLICY.before-mooring"
  fi
  printf '#!/bin/sh\n# %s\nexit 101\n' "$OURS" >"$POLICY"
  chmod 755 "$POLICY"
  # Read by PostgreSQL's packages before they would make a cluster.
  mkdir -p "${CLUSTERS%/*}"
  echo "create_main_cluster = false" >"$CLUSTERS"
}

restore_guards() {
  rm -f "$POLICY" "$CLUSTERS"
  if [[ -e $POLICY.before-mooring || -L $POLICY.before-mooring ]]; then
    mv "$POLICY.before-mooring" "$POLICY"
  fi
  # Where no package keeps anything in these folders, they were ours as well.
  rmdir "${CLUSTERS%/*}" "${CLUSTERS%/*/*}" 2>/dev/null || true
}

switch_off() {
  service_known "$1" || return 0
  update-rc.d "$1" disable >/dev/null 2>&1 || true
  deb-systemd-helper disable "$1.service" >/dev/null 2>&1 || true
}

# apt_get LOG WORDS...: with the package lists fetched first where they are needed.
apt_get() {
  local log=$1
  shift
  export DEBIAN_FRONTEND=noninteractive
  if run_apt "installing" "$log" "$@"; then return; fi
  refuse_locked "$log"
  say "fetching the lists of packages …"
  if ! run_apt "fetching the lists" "$log" -o APT::Update::Error-Mode=any update; then
    refuse_locked "$log"
    tail -n 5 "$log" >&2
    fail "the lists of packages cannot be fetched" \
      "Check the network and /etc/apt/sources.list, then run: apt-get update"
  fi
  if ! run_apt "installing" "$log" "$@"; then
    refuse_locked "$log"
    tail -n 12 "$log" >&2
    fail "apt-get failed" "Run it yourself to see why: apt-get $*"
  fi
}

# run_apt WHAT LOG WORDS...
run_apt() { patiently "$1" quietly "$2" apt-get -o DPkg::Lock::Timeout=120 "${@:3}"; }

refuse_locked() {
  if grep -qE 'Could not get lock|is another process using it' "$1"; then
    grep -hE 'lock' "$1" | head -n 2 >&2
    fail "another program is installing packages at this moment" "Wait for it, then try again."
  fi
}
