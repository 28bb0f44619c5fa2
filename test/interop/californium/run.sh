#!/usr/bin/env bash
# Builds the Californium peer and runs the cases of expect.json against it. It
# needs a JDK and Maven, which fetches Californium from Maven Central; on Debian,
# as root, it installs the two if they are not there.
#
#   run.sh            run the cases
#   run.sh -update    and record them in testdata/
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
go=${GO:-go}

if ! command -v javac >/dev/null || ! command -v mvn >/dev/null; then
	if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
		export DEBIAN_FRONTEND=noninteractive
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends default-jdk-headless maven; } >&2 || true
	fi
fi
for tool in javac mvn; do
	if ! command -v "$tool" >/dev/null; then
		echo "californium: $tool is missing; install a JDK (17 or newer) and Maven, on Debian: apt-get install default-jdk-headless maven" >&2
		exit 1
	fi
done

if [[ ! -e $here/target/peer.jar || -n $(find "$here/pom.xml" "$here/src" -newer "$here/target/peer.jar" -print -quit) ]]; then
	mvn -q -B -Dstyle.color=never -f "$here/pom.xml" package >&2
fi
make -s --no-print-directory -C "$root" build >&2
"$go" -C "$root" build -trimpath -o "$here/.cache/californium" ./test/interop/californium
exec "$here/.cache/californium" -dir "$here" -bin "$root/bin" "$@"
