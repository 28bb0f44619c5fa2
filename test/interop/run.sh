#!/usr/bin/env bash
# Runs every peer's cases and prints, last, how many passed, failed and were
# skipped. It fails when a case failed or a peer could not run. Arguments go to
# the peers: -update records the runs anew.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
log=$(mktemp)
trap 'rm -f "$log"' EXIT

passed=0 failed=0 skipped=0 table=''
for run in "$here"/*/run.sh; do
	peer=$(basename "$(dirname "$run")")
	began=$SECONDS
	"$run" "$@" | tee "$log"
	status=${PIPESTATUS[0]}
	if [[ $(tail -n 1 "$log") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
		p=${BASH_REMATCH[1]} f=${BASH_REMATCH[2]} s=${BASH_REMATCH[3]}
		if ((status != 0 && f == 0)); then f=1; fi
	else
		p=0 f=1 s=0 # the peer could not run
	fi
	((passed += p, failed += f, skipped += s))
	table+=$(printf '%-16s %8d %8d %8d %7ds' "$peer" "$p" "$f" "$s" $((SECONDS - began)))$'\n'
done
printf '\n%-16s %8s %8s %8s %8s\n%s' peer passed failed skipped time "$table"
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0))
