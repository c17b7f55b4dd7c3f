# shellcheck shell=bash
# How ./mooring and the scripts beside it write to people: what is being done, how long it has
# taken so far, and a cause and a way out on failure. Sourced by them.

say() { printf '%s  %s\n' "$(colour 36 mooring)" "$1" >&2; }
colour() { if [[ -t 2 && -z ${NO_COLOR:-} ]]; then printf '\033[%sm%s\033[0m' "$1" "$2"; else printf '%s' "$2"; fi; }
# fail CAUSE [HINT]
fail() {
  printf '%s %s\n' "$(colour 31 'mooring: error:')" "$1" >&2
  [[ -z ${2:-} ]] || printf '  HINT: %s\n' "$2" >&2
  exit 1
}

# patiently WHAT COMMAND...: run it, and write every ten seconds that it is still running, and
# what the command named by $progress, if any, writes of it.
patiently() {
  local what=$1 began=$SECONDS ended=0 pulse
  shift
  # Nobody writes to this pipe: to read from it is to sleep, and it ends when we do.
  coproc {
    while read -rt "${MOORING_PATIENCE:-10}" _ || (($? > 128)); do
      say "$what: $((SECONDS - began)) s so far$("${progress:-true}") …"
    done
  }
  pulse=${COPROC[1]}
  "$@" || ended=$?
  exec {pulse}>&-
  wait "$COPROC_PID" 2>/dev/null || true
  return "$ended"
}

# quietly LOG COMMAND...: run it with nothing to read and its words in LOG.
quietly() {
  local log=$1
  shift
  "$@" >"$log" 2>&1 </dev/null
}
