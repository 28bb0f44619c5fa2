#!/usr/bin/env bash
# Runs the cases of expect.json against libcoap's example programs, of the Debian
# package libcoap3-bin; on Debian, as root, it installs that if they are not there.
#
#   run.sh            run the cases
#   run.sh -update    and keep their results in testdata/
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
go=${GO:-go}

if ! command -v coap-client-notls >/dev/null || ! command -v coap-server-notls >/dev/null; then
	if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
		export DEBIAN_FRONTEND=noninteractive
		{ timeout 300 apt-get update -qq && timeout 300 apt-get install -y -qq --no-install-recommends libcoap3-bin; } >&2 || true
	fi
fi
for tool in coap-client-notls coap-server-notls; do
	if ! command -v "$tool" >/dev/null; then
		echo "libcoap: $tool is missing; on Debian: apt-get install libcoap3-bin" >&2
		exit 1
	fi
done

"$go" -C "$root" build -trimpath -o "$here/.cache/libcoap" ./test/interop/libcoap
exec "$here/.cache/libcoap" -dir "$here" "$@"
