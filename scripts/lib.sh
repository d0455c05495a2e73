# What the scripts share. Sourced by bash, with `set -eu` and ROOT being the project's folder.

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "${0##*/}: $*"
    exit 1
}

# help_if_asked "$@": with -h or --help, prints what stands at the top of the script, and ends.
help_if_asked() {
    case " $* " in
    *" -h "* | *" --help "*)
        sed -n '2,/^[^#]/ { /^#/ s/^#\( \|$\)//p }' "$0"
        exit 0
        ;;
    esac
}

# Which Python makes the virtual environment: Debian's own where it is there.
find_python() {
    if [ -n "${PYTHON:-}" ]; then
        printf '%s\n' "$PYTHON"
    elif [ -x /usr/bin/python3 ]; then
        printf '%s\n' /usr/bin/python3
    else
        command -v python3 || fail "no python3; scripts/install-deps installs it"
    fi
}

# ensure_venv REQUIREMENTS [FOLDER]: FOLDER (.venv) with what the file pins. Nothing is done when that was done before.
ensure_venv() {
    local requirements=$1 venv=${2:-$ROOT/.venv} python stamp
    python=$(find_python)
    stamp="$venv/installed-$(cat "$ROOT/scripts/requirements.txt" "$requirements" | sha256sum | cut -c1-16)"
    [ -e "$stamp" ] && "$venv/bin/python" -c '' 2>/dev/null && return
    say "Python packages of ${requirements#"$ROOT"/} into ${venv#"$ROOT"/}"
    "$python" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$requirements" </dev/null
    touch "$stamp"
}

# ensure_node_modules: tests/node_modules as the lock file says.
ensure_node_modules() {
    local stamp
    stamp="$ROOT/tests/node_modules/.installed-$(sha256sum <"$ROOT/tests/package-lock.json" | cut -c1-16)"
    [ -e "$stamp" ] && return
    say "Node packages of tests/package-lock.json into tests/node_modules"
    npm ci --prefix "$ROOT/tests" --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null
    touch "$stamp"
}
