#!/bin/sh
# Report what differs between a stack's state and UFM and OpenStack. Exit status 1: there is drift.
#
#   ci/drift.sh STACK
set -eu
cd "$(dirname "$0")/.."
out=${RACK_OUT:-${RUNNER_TEMP:-.}}
env -u PULUMI_SKIP_CONFIRMATIONS pulumi refresh --stack "$1" --preview-only --json --non-interactive \
  > "$out/drift.json"
exec .venv/bin/python -m rack diff --stack "$1" --preview "$out/drift.json" --format markdown --fail-on drift
