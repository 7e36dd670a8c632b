#!/bin/sh
# Apply a stack's configuration, without questions. The workflow's environment asks for the approval.
#
#   ci/deploy.sh STACK
#
# RACK_UPDATE_PLAN: the plan that ci/preview.sh wrote; `up` refuses what it does not contain.
set -eu
cd "$(dirname "$0")/.."
exec pulumi up --stack "$1" --yes --skip-preview --non-interactive \
  ${RACK_UPDATE_PLAN:+--plan "$RACK_UPDATE_PLAN"}
