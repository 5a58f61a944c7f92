# What the external checks have in common; to be sourced.

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
check=${check:-$(basename "$0")}
# Packages stay here, so that a second run need not fetch them; the rest goes at the end.
packages=${MINICLAW_EXTERNAL:-${TMPDIR:-/tmp}/miniclaw-external}/$check
scratch=$(mktemp -d "${TMPDIR:-/tmp}/miniclaw-$check.XXXXXX")
mkdir -p "$packages"
children=()

say() { printf '%s: %s\n' "$check" "$*"; }
fail() {
    say "FAILED: $*" >&2
    for log in "$scratch"/*.log; do
        if [ -s "$log" ]; then
            printf -- '--- %s\n' "$(basename "$log")" >&2
            tail -n 30 "$log" >&2
        fi
    done
    exit 1
}
clean_up() {
    status=$?
    for child in "${children[@]}"; do
        kill "$child" 2>/dev/null || true
        wait "$child" 2>/dev/null || true
    done
    rm -rf "$scratch"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# need PROGRAM...: ends the check where one is not there.
need() {
    for program in "$@"; do
        command -v "$program" >/dev/null || fail "\`$program\` is not installed"
    done
}

# The binary: $MINICLAW, or a debug build of this tree.
miniclaw=${MINICLAW:-}
if [ -z "$miniclaw" ]; then
    say "building miniclaw"
    (cd "$root" && cargo build --quiet --locked -p miniclaw)
    miniclaw=${CARGO_TARGET_DIR:-$root/target}/debug/miniclaw
fi
export MINICLAW_HOME=$scratch/home
mkdir -m 700 "$MINICLAW_HOME"

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# start NAME COMMAND...: in the background, with a log; ended with the check.
start() {
    local name=$1
    shift
    "$@" >"$scratch/$name.log" 2>&1 &
    children+=($!)
}

# wait_for WHAT SECONDS COMMAND...: until the command succeeds.
wait_for() {
    local what=$1 end=$((SECONDS + $2))
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || fail "no $what in time"
        sleep 0.1
    done
}

# converse LINE...: a gateway of its own with the console alone; prints what the person sees.
converse() {
    printf '%s\n' "$@" | "$miniclaw" gateway --console --shutdown-timeout 120s 2>"$scratch/gateway.log"
}

# expect TEXT PART: the text has the part.
expect() {
    case $1 in
        *"$2"*) ;;
        *) fail "expected \`$2\` in: $1" ;;
    esac
}
