# shellcheck shell=bash
# Fetches Debian packages of any suite, with all they need, and unpacks them into a folder.
# Nothing is installed: neither the packages nor the package lists of this machine change.
# Sourced by the scripts that unpack servers for tests. Needs $work, a temporary folder.

# The mirror this machine takes its own release from.
mirror() {
  local release
  # shellcheck disable=SC1091
  release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  # shellcheck disable=SC2016 # apt fills these in
  apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
    awk -v release="$release" '$1 == release { print $2; exit }'
}

# megabytes: of the packages that apt-get --print-uris lists.
megabytes() { awk '{ bytes += $3 } END { printf "%d", bytes / 1e6 }'; }

# fetched: how much of $total is in $state.
# shellcheck disable=SC2154 # of download
fetched() { printf ', %d of %d MB' "$(du -s --block-size=1MB "$state/archives" | cut -f 1)" "$total"; }

# download NAME SUITE FOLDER PACKAGE...: fetch the packages and all they depend on.
download() {
  # shellcheck disable=SC2154,SC2034 # of who sources this, for patiently
  local name=$1 suite=$2 folder=$3 mirror state=$work/apt total=0 progress=fetched
  shift 3
  mirror=$(mirror)
  [[ -n $mirror ]] || fail "apt knows no Debian mirror" "Check /etc/apt/sources.list."
  mkdir -p "$state"/{lists/partial,archives/partial,none} "$folder"
  # Nothing counts as installed, so that apt fetches everything, down to the C library.
  : >"$state/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" \
    >"$state/sources.list"
  cat >"$state/apt.conf" <<CONF
Dir::State "$state"; Dir::State::lists "$state/lists"; Dir::State::status "$state/status";
Dir::Cache "$state"; Dir::Cache::archives "$state/archives";
Dir::Etc::sourcelist "$state/sources.list"; Dir::Etc::sourceparts "$state/none";
Dir::Etc::preferencesparts "$state/none"; Dir::Etc::preferences "$state/none/preferences";
APT::Install-Recommends "false"; Debug::NoLocking "true"; APT::Sandbox::User "";
CONF
  say "fetching $name's packages from Debian's suite $suite …"
  export APT_CONFIG=$state/apt.conf
  if ! quietly "$work/log" apt-get -q update ||
    ! total=$(apt-get -q -y --print-uris install "$@" 2>>"$work/log" | megabytes) ||
    ! patiently "fetching $name's packages" quietly "$work/log" \
      apt-get -q -y --download-only install "$@"; then
    tail -n 12 "$work/log" >&2
    fail "$name's packages could not be fetched" "Check the network and the mirror."
  fi
  unset APT_CONFIG
  cp "$state"/archives/*.deb "$folder"/
}

# unpack FOLDER ROOT: put the content of the packages in FOLDER into ROOT; set $loader, $libraries.
unpack() {
  local package
  mkdir -p "$2"
  for package in "$1"/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$2" \
      --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*'
  done
  loader=$(find "$2/usr" -name 'ld-linux*.so.*' -print -quit)
  [[ -n $loader ]] || fail "the packages hold no C library"
  # shellcheck disable=SC2034 # for who sources this
  libraries=$(dirname "$loader")
}

# gather_libraries FOLDER FILE...: copy what programs and plugins load, and the loader, to its lib.
gather_libraries() {
  local folder=$1 file library
  shift
  for file in "$@"; do
    # A plugin of optional libraries may be incomplete; then only that plugin does not load.
    "$loader" --library-path "$libraries" --list "$file" 2>/dev/null || true
  done | awk '/=> \// { print $3 }' | sort -u >"$work/libraries"
  while read -r library; do
    cp -L "$library" "$folder/lib/"
  done <"$work/libraries"
  cp -L "$loader" "$folder/lib/"
}

# bind_libraries FOLDER TARGET PROGRAM...: have programs in FOLDER/bin find their libraries once
# the folder is at TARGET. Needs patchelf among the packages.
# shellcheck disable=SC2154 # of who sources this
bind_libraries() {
  local folder=$1 target=$2 program
  shift 2
  for program in "$@"; do
    "$loader" --library-path "$libraries" "$root/usr/bin/patchelf" \
      --set-interpreter "$target/lib/${loader##*/}" --force-rpath --set-rpath "$target/lib" \
      "$folder/bin/$program"
  done
}
