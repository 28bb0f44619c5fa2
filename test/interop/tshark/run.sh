#!/usr/bin/env bash
# Has tshark decrypt what is recorded of the other peers; on Debian, as root, it
# installs the package of that name if tshark is not there.
#
#   run.sh            run the cases
#   run.sh -update    and keep their results in testdata/
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
go=${GO:-go}

if ! command -v tshark >/dev/null && [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
	export DEBIAN_FRONTEND=noninteractive
	{ timeout 300 apt-get update -qq && timeout 300 apt-get install -y -qq --no-install-recommends tshark; } >&2 || true
fi
if ! command -v tshark >/dev/null; then
	echo "tshark: it is missing; on Debian: apt-get install tshark" >&2
	exit 1
fi

"$go" -C "$root" build -trimpath -o "$here/.cache/tshark" ./test/interop/tshark
exec "$here/.cache/tshark" -dir "$here" "$@"
