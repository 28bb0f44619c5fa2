#!/usr/bin/env bash
# Runs the cases of expect.json against lakers, which ../python.sh installs.
#
#   run.sh            run the cases
#   run.sh -update    and record them in testdata/
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
go=${GO:-go}
. "$here/../python.sh"

"$go" -C "$root" build -trimpath -o "$here/.cache/lakers" ./test/interop/lakers
exec "$here/.cache/lakers" -dir "$here" "$@"
