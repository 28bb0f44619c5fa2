# Sourced by the run.sh of the Python peers, with $here, their folder, set. It
# installs requirements.txt into .cache/venv, once for all of them. It needs Python
# 3.11 or newer with venv; pip fetches the rest.
python=${PYTHON:-python3}
venv=$here/../.cache/venv
requirements=$here/../requirements.txt

if ! command -v "$python" >/dev/null || ! "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
	echo "$(basename "$here"): $python is missing, older than 3.11 or without venv; on Debian: apt-get install python3-venv" >&2
	exit 1
fi

if ! cmp -s "$requirements" "$venv/installed.txt"; then
	rm -rf "$venv"
	"$python" -m venv "$venv" >&2
	timeout 300 "$venv/bin/pip" install -q --disable-pip-version-check --no-deps -r "$requirements" >&2
	"$venv/bin/pip" check >&2
	cp "$requirements" "$venv/installed.txt"
fi
