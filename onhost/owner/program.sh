#!/bin/sh
# The owner of a host. Run by root, with this text on standard input: sh -s STEP HOST=… PROJECT=… STACK=… ID=…
#
# The mark is /var/lib/rack/owner.json: project, stack, the stack's random ID, and when the stack became the owner. One
# line per field. A stack changes a host only with its own mark on it, so the step `claim` is the first one on a host.
#
#   HOST      its name in messages
#   PROJECT, STACK, ID   of the stack that runs the step
set -eu
step=$1
shift
for setting; do
  case "$setting" in
    [A-Z]*=*) export "$setting" ;;
    *) echo "owner: $setting is no setting: write NAME=VALUE" >&2 && exit 2 ;;
  esac
done
FOLDER=/var/lib/rack
MARK=$FOLDER/owner.json
