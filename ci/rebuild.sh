#!/bin/sh
# Deploy the dev stack on the embedded lab, check that a second `up` changes nothing, and destroy it.
set -eu
cd "$(dirname "$0")/.."
trap 'make lab-stop' EXIT
make up
eval "$(make -s env)"
pulumi up --stack dev --yes --skip-preview --non-interactive --expect-no-changes
make destroy
