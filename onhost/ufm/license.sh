# The licence, for the installer to take from its folder (U4). A renewed one goes to the UFM that runs, too.
#
#   LICENSE   its file, with nothing else beside it; its text comes on stdin

install -D -o root -g root -m 0600 /dev/stdin "$LICENSE"
copy=$FILES/licenses/${LICENSE##*/}
if [ -n "$(docker ps -q --filter 'name=^ufm$')" ] && ! cmp -s "$LICENSE" "$copy"; then
  install -D -m 0600 "$LICENSE" "$copy"
  docker exec ufm /etc/init.d/ufmd restart
fi
