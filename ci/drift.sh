#!/bin/sh
# Compare a stack's state with UFM and OpenStack, and report the differences. Exit status 1: there is drift.
#
#   ci/drift.sh STACK
set -eu
cd "$(dirname "$0")/.."
out=${RACK_OUT:-${RUNNER_TEMP:-.}}
env -u PULUMI_SKIP_CONFIRMATIONS pulumi refresh --stack "$1" --preview-only --json --non-interactive \
  > "$out/drift.json"
exec .venv/bin/python -m rack diff --stack "$1" --preview "$out/drift.json" --format markdown --fail-on drift
