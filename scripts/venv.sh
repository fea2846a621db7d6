#!/bin/sh
# venv.sh DIRECTORY EXTRAS: a virtual environment with this checkout installed in it, editable.
set -eu
venv=$1 extras=$2

recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    for candidate in "${PYTHON:-python3}" python3.13 python3.12 python3.11; do
        if recent "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    echo "twinhub needs Python 3.11 or newer; install it (Debian 12: apt-get install python3 python3-venv)" \
        "or name one: make PYTHON=/path/to/python3" >&2
    return 1
}

if ! [ -x "$venv/bin/pip" ]; then
    python=$(find_python)
    "$python" -c 'import ensurepip' 2>/dev/null || "$(dirname "$0")/packages.sh" python3-venv
    echo "creating $venv with $("$python" --version)"
    "$python" -m venv "$venv"
fi
echo "installing twinhub and its dependencies into $venv"
"$venv/bin/pip" install --quiet --quiet --disable-pip-version-check --editable ".[$extras]"
