# shellcheck shell=bash
# Replaces a folder that a script fills, and never one that holds anything else: its path may come
# from a variable. Sourced by the scripts that unpack servers for tests, after console.sh.

# What such a folder holds in addition, so that it is known again.
OWN=.unpacked-by-mooring

# refuse_foreign FOLDER: end unless it is new, empty, known again, or in Mooring's own var.
refuse_foreign() {
  # shellcheck disable=SC2153 # ROOT is of who sources this
  [[ -e $1/$OWN || $1 == "$ROOT"/var/?* ]] && return
  [[ ! -e $1 || (-d $1 && -z $(ls -A "$1")) ]] ||
    fail "$1 holds something else" "Name a new folder, or delete this one yourself."
}

# prepare_new FOLDER: make FOLDER.new, empty, for what is to be put in its place.
prepare_new() {
  refuse_foreign "$1"
  refuse_foreign "$1.new"
  rm -rf "$1.new"
  mkdir -p "$1.new"
  : >"$1.new/$OWN"
}

# replace FOLDER: put FOLDER.new in its place.
replace() {
  rm -rf "$1"
  mv "$1.new" "$1"
}
