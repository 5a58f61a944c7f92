# What the scripts of this folder share; they source it from the root of the sources.
# shellcheck shell=bash
set -euo pipefail
export LC_ALL=C

# Things to keep between runs: tools, a Debian, caches of builds.
CACHE=${MINICLAW_DEPLOY_CACHE:-$PWD/target/deploy}
FAILED=0

step() { printf '\n-- %s\n' "$1"; }
ok() { printf 'ok: %s\n' "$1"; }
fail() { printf 'FAILED: %s\n' "$1"; FAILED=1; }
not_checked() { printf 'NOT CHECKED: %s\n' "$1"; }
die() { printf 'FAILED: %s\n' "$1"; exit 1; }

# Ends a script whose prerequisites are not there.
cannot() { not_checked "$0: $1"; exit 0; }

# check NAME COMMAND…: what the command prints is shown where it fails.
check() {
    local name=$1 said
    shift
    if said=$("$@" 2>&1); then ok "$name"; else fail "$name"; printf '%s\n' "$said" | sed 's/^/    /'; fi
}

finish() {
    [ "$FAILED" = 0 ] || { echo; echo "$0: something FAILED, see above"; exit 1; }
    echo; echo "$0: all that could be checked holds"
}

# need PROGRAM PACKAGE: a program of Debian's, installed where root may.
need() {
    command -v "$1" > /dev/null && return
    [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null || return 1
    { apt-get install -y -q --no-install-recommends "$2" || { apt-get update -q && apt-get install -y -q --no-install-recommends "$2"; }; } > /dev/null 2>&1
    command -v "$1" > /dev/null
}

# Builds what is shipped in the dev profile, with what the tests built before.
debug_build() {
    local manifest
    set --
    for manifest in plugins/*/cdylib/Cargo.toml; do
        set -- "$@" -p "$(sed -n 's/^name = "\(.*\)"/\1/p' "$manifest" | head -n 1)"
    done
    cargo build --locked --quiet -p miniclaw "$@"
}

# cargo_tool CRATE VERSION: puts target/deploy/cargo/bin first and installs a subcommand of cargo there.
cargo_tool() {
    export PATH="$CACHE/cargo/bin:$PATH"
    [ -x "$CACHE/cargo/bin/$1" ] || cargo install "$1" --version "$2" --locked --quiet --root "$CACHE/cargo"
}

# The mirror that this machine's own Debian comes from, or MINICLAW_DEBIAN_MIRROR.
mirror() { echo "${MINICLAW_DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' | grep -v security | head -n 1)}"; }

# debian TO PACKAGE…: a copy of a small Debian 12 that is made once.
debian() {
    local to=$1 made name
    shift
    name=$(printf '%s\n' "$@" | sort | cksum | cut -d' ' -f1)
    made=$CACHE/debian-$name
    if [ ! -e "$made/.whole" ]; then
        rm -rf "$made"
        mkdir -p "$CACHE"
        debootstrap --variant=minbase ${*:+--include="$(IFS=,; echo "$*")"} bookworm "$made" "$(mirror)" > "$made.log" 2>&1 \
            || { tail -n 20 "$made.log"; return 1; }
        touch "$made/.whole"
    fi
    rm -rf "$to"
    cp -a --reflink=auto "$made" "$to"
    rm "$to/.whole"
}

# wait_for SECONDS COMMAND…
wait_for() {
    local until=$((SECONDS + $1))
    shift
    until "$@" > /dev/null 2>&1; do
        [ "$SECONDS" -lt "$until" ] || return 1
        sleep 0.2
    done
}
