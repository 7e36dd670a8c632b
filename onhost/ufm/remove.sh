# Restore the host as it was found: UFM and its files, images of this stack, fabric interface, folders (U3 to U6).
# One step for all others, run last, so that it also removes what a failed step has left.

remove_ufm() {
  if [ -e "$UNIT" ]; then
    systemctl disable --now ufm-enterprise || true
    rm -f "$UNIT"
    systemctl daemon-reload
  fi
  for name in ufm ufm_before ufm_installer; do
    ! docker container inspect "$name" >/dev/null 2>&1 || docker rm -f "$name"
  done
  sed -n 's/^files //p' "$NOTES/install" | while read -r folder; do
    [ ! -d "$folder" ] || find "$folder" -mindepth 1 -delete
  done
  sed -n 's/^image //p' "$NOTES/install" | while read -r image; do
    ! docker image inspect "$image" >/dev/null 2>&1 || docker rmi "$image" || echo "image $image stays" >&2
  done
}

remove_folders() {
  sort -r "$NOTES/folders" | while read -r folder; do
    rmdir "$folder" || true  # it contains other files
  done
}

[ -d "$NOTES" ] || exit 0
if grep -sqx found "$NOTES/install"; then
  echo "UFM was on this host before, so it stays" >&2
elif [ -e "$NOTES/install" ]; then
  remove_ufm
fi
if [ -e "$NOTES/certificate" ]; then
  folder=$(cat "$NOTES/certificate")
  rm -f "$folder/server.crt" "$folder/server.key"
fi
take_back
[ ! -e "$NOTES/folders" ] || remove_folders
rm -r "$NOTES"
