# Write the licence into the folder that the installer reads (U4). A renewed one is also given to a running UFM.
#
#   FILES     UFM's folder
#   LICENSES  the folder of the licence, with nothing else in it; the licence comes on stdin

LICENSE=$LICENSES/mlnx-ufm.lic
install -D -o root -g root -m 0600 /dev/stdin "$LICENSE"
copy=$FILES/licenses/${LICENSE##*/}
if [ -n "$(docker ps -q --filter 'name=^ufm$')" ] && ! cmp -s "$LICENSE" "$copy"; then
  install -D -m 0600 "$LICENSE" "$copy"
  docker exec ufm /etc/init.d/ufmd restart
fi
