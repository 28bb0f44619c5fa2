#!/usr/bin/env bash
# Runs the cases of expect.json against aiocoap, which ../python.sh installs.
#
#   run.sh            run the cases
#   run.sh -update    and record the results in testdata/
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
go=${GO:-go}
. "$here/../python.sh"

make -s --no-print-directory -C "$root" build >&2
"$go" -C "$root" build -trimpath -o "$here/.cache/aiocoap" ./test/interop/aiocoap
exec "$here/.cache/aiocoap" -dir "$here" -bin "$root/bin" "$@"
