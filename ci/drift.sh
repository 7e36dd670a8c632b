#!/bin/sh
# Compare hosts, UFM and OpenStack with a stack's state, and report the differences: drift.md, drift.json.
# Exit status 1: there is drift; 3: something could not be looked at.
#
#   ci/drift.sh STACK
#
# RACK_DRIFT_FAIL_ON: `broken` fails for what does not work only; default: for every difference.
set -eu
cd "$(dirname "$0")/.."
out=${RACK_OUT:-${RUNNER_TEMP:-.}}
status=0
.venv/bin/python -m rack drift --stack "$1" --format json --fail-on "${RACK_DRIFT_FAIL_ON:-drift}" \
  > "$out/drift.json" || status=$?
[ "$status" != 2 ] || exit 2  # the command failed; its reason is above
.venv/bin/python -m drift.report "$out/drift.json" | tee "$out/drift.md"
exit "$status"
