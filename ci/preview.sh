#!/bin/sh
# Write the review of a stack's change: report.md for a comment, report.json, and, on request, an update plan.
#
#   ci/preview.sh STACK [BASE]    BASE: the commit before the change, for documents that contain a secret
#
# RACK_FAIL_ON: kinds of interruptions that fail the check, for example evict,replace (docs/operations.md).
# RACK_UPDATE_PLAN: a file to which Pulumi writes the plan that `up` must follow (experimental in Pulumi).
set -eu
cd "$(dirname "$0")/.."
stack=$1 base=${2:-}
out=${RACK_OUT:-${RUNNER_TEMP:-.}}
set -- --stack "$stack" --preview "$out/preview.json"
if [ -n "$base" ] && git show "$base:Pulumi.$stack.yaml" > "$out/base.yaml" 2>/dev/null; then
  set -- "$@" --base "$out/base.yaml"
fi
status=0
pulumi preview --stack "$stack" --json --non-interactive ${RACK_UPDATE_PLAN:+--save-plan "$RACK_UPDATE_PLAN"} \
  > "$out/preview.json" || status=$?
# A preview that failed is reported in the same comment, which otherwise would show the last one that succeeded.
.venv/bin/python -m rack diff "$@" --format markdown --save "$out/report.json" \
  ${RACK_FAIL_ON:+--fail-on "$RACK_FAIL_ON"} > "$out/report.md" || { found=$?; [ "$status" != 0 ] || status=$found; }
exit "$status"
