# Install, upgrade or start UFM in a container, from any state (U5, U6). A UFM as configured stays unchanged.
#
#   IMAGE, INSTALLER      UFM, pinned; the guide's separate installer, or empty: then IMAGE installs itself
#   ARCHIVE               a `docker save` of both on this host, or empty: they are pulled
#   FILES, LICENSES       UFM's folders on this host
#   FABRIC, MANAGEMENT    its interfaces
#   GUID, LIMIT           of the wired port, 16 hex digits; seconds that UFM may take to start
#
# Pulumi keeps the former state of a step that failed, and so does this step: a failed upgrade ends with the former UFM.

container() { docker container inspect "$1" >/dev/null 2>&1; }
present() { docker image inspect "$1" >/dev/null 2>&1; }
image_id() { docker image inspect -f '{{.Id}}' "$1"; }
installed() { container ufm || [ -e "$UNIT" ]; }
upgrading() { [ -e "$NOTES/upgrade" ]; }

# Record, before the first change, whether UFM or files of it were on this host.
first_look() {
  if installed; then echo found; elif [ -z "$(ls -A "$FILES")" ]; then echo "files $FILES"; fi > "$NOTES/install"
}

fetch() {
  for image in $IMAGE $INSTALLER; do
    present "$image" && continue
    if [ -n "$ARCHIVE" ]; then
      load
      present "$image" || fail "$ARCHIVE holds no $image: $loaded"
    else
      echo "image $image" >> "$NOTES/install"
      docker pull "$image"
    fi
  done
}

names() { docker images --format '{{.Repository}}:{{.Tag}}'; }

load() {
  names > "$NOTES/images"
  loaded=$(docker load -i "$ARCHIVE")
  names | grep -vxFf "$NOTES/images" | sed 's/^/image /' >> "$NOTES/install" || true
  rm "$NOTES/images"
  echo "$loaded"
}

# run_installer --install | --upgrade: with the mounts and options of each form's documents, so that it asks nothing.
run_installer() {
  ! container ufm_installer || docker rm -f ufm_installer >/dev/null  # of an interrupted run
  interfaces="--fabric-interface $FABRIC --mgmt-interface $MANAGEMENT"
  installation="-v $FILES/:/installation/ufm_files/ -v $LICENSES/:/installation/ufm_licenses/"
  units="-v /etc/systemd/system/:/etc/systemd_files/"
  if [ -n "$INSTALLER" ]; then
    set -- $installation "$INSTALLER" "$1" -m SA -e "$IMAGE" $interfaces
  elif [ "$1" = --install ]; then
    set -- $units $installation "$IMAGE" --install $interfaces
  else
    set -- $units -v "$FILES/:/opt/ufm/shared_config_files/" "$IMAGE" --upgrade
  fi
  docker run --name=ufm_installer --rm -v /var/run/docker.sock:/var/run/docker.sock "$@"
}

# Current releases install a systemd unit, the guide's release a plain container.
start() {
  if [ -e "$UNIT" ]; then
    systemctl daemon-reload
    systemctl enable ufm-enterprise
    systemctl start ufm-enterprise
  elif [ "$(docker container inspect -f '{{.State.Running}}' ufm)" = false ]; then
    docker start ufm
  fi >&2
}

no_unit() {
  [ -e "$UNIT" ] || return 0
  systemctl disable ufm-enterprise >&2
  rm "$UNIT"
  systemctl daemon-reload
}

halt() {
  [ ! -e "$UNIT" ] || systemctl stop ufm-enterprise
  ! container ufm || docker stop -t 60 ufm >/dev/null
}

# The image of the UFM that is installed. The unit's container exists only while the unit is started.
current() {
  container ufm || start
  docker container inspect -f "{{.$1}}" ufm
}

# The release that IMAGE's tag names, where it does: 6.14.5-2.
named() {
  name=${IMAGE%%@*}
  echo "${name##*/}" | sed -nE 's/^[^:]*:v?([0-9]+(\.[0-9]+)+(-[0-9]+)?).*/\1/p'
}

no_downgrade() {
  have=$(release) want=$(named)
  [ -n "$have" ] && [ -n "$want" ] || return 0
  [ "$(printf '%s\n' "$have" "$want" | sort -V | tail -n 1)" = "$want" ] ||
    fail "UFM $have can't be downgraded to $want: its files are of the newer release. Write $have or newer"
}

# Save everything that a rollback needs.
keep() {
  tar -C "$FILES" --exclude=./log -czpf "$NOTES/files.tgz" .
  [ ! -e "$UNIT" ] || cp -p "$UNIT" "$NOTES/unit"
  echo "$1" > "$NOTES/upgrade"
}

put_back_files() {
  find "$FILES" -mindepth 1 -maxdepth 1 ! -name log -exec rm -rf {} +
  tar -C "$FILES" -xzpf "$NOTES/files.tgz"
}

# Repeat U5 with another image: the old UFM runs until the new image is on this host, and its files stay.
upgrade() {
  no_downgrade
  old="$(current Image)
$(current Config.Image)"
  halt
  keep "$old"
  ! container ufm || docker rename ufm ufm_before
  no_unit
  run_installer --upgrade
}

go_back() {
  halt
  if container ufm && [ "$(current Image)" != "$(head -n 1 "$NOTES/upgrade")" ]; then docker rm -f ufm >/dev/null; fi
  put_back_files
  no_unit
  [ ! -e "$NOTES/unit" ] || cp -p "$NOTES/unit" "$UNIT"
  ! container ufm_before || docker rename ufm_before ufm
  forget_upgrade
}

forget_upgrade() { rm -f "$NOTES/upgrade" "$NOTES/files.tgz" "$NOTES/unit"; }

verify() {
  have=$(release) want=$(named)
  case "$have" in
    "$want" | "$want"[.-]*) ;;
    *) [ -z "$want" ] || fail "UFM's REST API says that it is $have, not $want of $IMAGE (U6)" ;;
  esac
}

# Clean up once UFM is as configured: remove the data for a rollback, and unused images of this stack.
settle() {
  forget_upgrade
  ! container ufm_before || docker rm ufm_before >/dev/null
  sed -n 's/^image //p' "$NOTES/install" > "$NOTES/images"
  while read -r image; do
    case " $IMAGE $INSTALLER " in *" $image "*) continue ;; esac
    ! present "$image" || docker rmi "$image" >&2 || continue  # in use by another container; the next run tries again
    sed -i "\\|^image $image\$|d" "$NOTES/install"
  done < "$NOTES/images"
  rm "$NOTES/images"
}

finish() {
  [ "$1" != 0 ] && upgrading || return 0
  set +e
  old=$(tail -n 1 "$NOTES/upgrade")
  echo "UFM host: the upgrade to $IMAGE failed; rolling back to $old with its files" >&2
  go_back
  start
  if running >&2; then
    echo "UFM host: $old runs again. To keep it, write it as ufm.host.image; to try $IMAGE again: pulumi up" >&2
  else
    echo "UFM host: $old is back with its files, but does not run either; see docker logs ufm" >&2
  fi
}

# A broken connection must not end the step before its rollback.
trap '' HUP PIPE
trap 'finish $?' EXIT
[ -e "$NOTES/install" ] || first_look
! upgrading || go_back  # of an upgrade that a reboot interrupted
fetch
if ! installed; then
  run_installer "$([ -e "$FILES/conf/gv.cfg" ] && echo --upgrade || echo --install)"
elif [ "$(current Image)" != "$(image_id "$IMAGE")" ]; then
  upgrade
fi
[ ! -e "$NOTES/certificate" ] || place_certificate
start
running
verify
settle
release
