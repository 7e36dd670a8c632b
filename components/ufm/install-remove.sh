# Removes UFM, its files, and the images that came by us (U4 to U6). What was on this host before stays.
UNIT=/etc/systemd/system/ufm-enterprise.service

[ -e "$NOTES/install" ] || exit 0
if grep -qx found "$NOTES/install"; then
  echo "UFM was on this host before, so it stays" >&2
else
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
    ! docker image inspect "$image" >/dev/null 2>&1 || docker rmi "$image" || true
  done
fi
rm -f "$NOTES/install" "$NOTES/upgrade" "$NOTES/files.tgz" "$NOTES/unit"
