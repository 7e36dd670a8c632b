#!/bin/sh
# Steps on UFM's host. Called as: rack-ufm STEP [NAME=VALUE…]
#
# The steps are below, each with the names that it needs. Every step is idempotent. A step that fails says why on its
# last line.
#
# /var/lib/rack-ufm (NOTES) holds what belongs to this stack, so that `remove` deletes nothing else:
#
#   folders   the folders that were created
#   address   "address INTERFACE ADDRESS" for an address set here, "link INTERFACE" for an interface brought up here
#   install   "found" if UFM was here before, "files FOLDER" if its files are ours, "image NAME" for each image of ours
#   certificate, server.crt, server.key   the folder in which UFM finds them; UFM's certificate and its key
#   upgrade   exists while an upgrade is not complete: image ID and name of the UFM that it replaces
set -eu
step=$1
shift
ARCHIVE='' INSTALLER='' LATER='' NAME='' OPTIONS='' REPOSITORY=''
for setting; do
  case "$setting" in
    [A-Z]*=*) export "$setting" ;;
    *) echo "UFM host: $setting is no setting: write NAME=VALUE" >&2 && exit 2 ;;
  esac
done
NOTES=/var/lib/rack-ufm
UNIT=/etc/systemd/system/ufm-enterprise.service
ADDRESS_UNIT=/etc/systemd/system/rack-fabric-address.service
