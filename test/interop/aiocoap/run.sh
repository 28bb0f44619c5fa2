#!/usr/bin/env bash
# Installs aiocoap of requirements.txt into .cache/venv and runs the cases of
# expect.json against it. It needs Python 3.11 or newer with venv; pip fetches
# the rest.
#
#   run.sh            run the cases
#   run.sh -update    and record the results in testdata/
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
go=${GO:-go} python=${PYTHON:-python3}
venv=$here/.cache/venv

if ! command -v "$python" >/dev/null || ! "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
	echo "aiocoap: $python is missing, older than 3.11 or without venv; on Debian: apt-get install python3-venv" >&2
	exit 1
fi

if ! cmp -s "$here/requirements.txt" "$venv/installed.txt"; then
	rm -rf "$venv"
	"$python" -m venv "$venv" >&2
	timeout 300 "$venv/bin/pip" install -q --disable-pip-version-check --no-deps -r "$here/requirements.txt" >&2
	"$venv/bin/pip" check >&2
	cp "$here/requirements.txt" "$venv/installed.txt"
fi
"$go" -C "$root" build -trimpath -o "$here/.cache/aiocoap" ./test/interop/aiocoap
exec "$here/.cache/aiocoap" -dir "$here" "$@"
