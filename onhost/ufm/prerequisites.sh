# Check that this host is fit for UFM (U1, U2, U3, U5, D5, UFM's manual). All faults are listed, nothing is changed.
#
#   FABRIC, MANAGEMENT   its interfaces; ADDRESS: UFM's address, on the management interface
#   IMAGE, INSTALLER     UFM's image; the guide's separate installer, or empty
#   ARCHIVE              an archive made by `docker save` on this host, or empty
#   GUID                 of the wired port, 16 hex digits
#   LATER                empty, or what the steps `docker` and `ofed` have still to install: its absence is no fault

faults=0
fault() {
  echo "UFM host: $1" >&2
  faults=$((faults + 1))
}

# still_to_come STEP COMMAND...: return whether the command fails because that step has not installed its program yet.
still_to_come() {
  case " $LATER " in *" $1 "*) ;; *) return 1 ;; esac
  shift
  ! "$@" >/dev/null 2>&1
}

check_docker() {
  docker version >/dev/null 2>&1 ||
    fault "Docker does not answer; run: systemctl enable --now docker; or write ufm.host.install.docker (U1)"
  systemctl is-enabled -q docker 2>/dev/null ||
    fault "the docker service is not enabled, so UFM would not start after a reboot; run: systemctl enable docker (U1)"
  for image in $IMAGE $INSTALLER; do
    docker image inspect "$image" >/dev/null 2>&1 && continue
    if [ -n "$ARCHIVE" ]; then
      [ -s "$ARCHIVE" ] ||
        fault "there is no file $ARCHIVE of ufm.host.imageArchive on this host, to take $image from (U5)"
    elif ! why=$(docker manifest inspect "$image" 2>&1 >/dev/null); then
      fault "$image can't be pulled: $why; check the name, docker login, the route to it, or write ufm.host.imageArchive (U5)"
    fi
  done
}

# UFM requires that no other SM is in the fabric. Without one, the port stays in Initializing until UFM's SM runs.
check_port() {
  ofed_info -s >/dev/null 2>&1 ||
    fault "MLNX_OFED (or DOCA-OFED) is missing: no ofed_info; install it, or write ufm.host.install.mlnxOfed (U1)"
  state=$(port)
  case "$state" in
    Active/LinkUp | Armed/LinkUp | Initializing/LinkUp) echo "port 0x$GUID: $state" ;;
    "")
      shown=$(ibstat 2>/dev/null | awk '$1 == "Port" && $2 == "GUID:" { print $3 }' | xargs)
      fault "no InfiniBand port has the GUID 0x$GUID of ufm.host.guid; ibstat shows ${shown:-none} (U2)"
      ;;
    *) fault "port 0x$GUID is $state, not Active/LinkUp; check cable and switch port with ibstat (U2)" ;;
  esac
}

# An IPoIB interface's hardware address ends with its port's GUID.
check_interface() {
  if link=$(ip -o link show dev "$FABRIC" 2>/dev/null); then
    case "$link" in
      *"$(echo "$GUID" | sed 's/../:&/g') "*) ;;
      *) fault "$FABRIC is not the interface of port 0x$GUID; see ip link, write ufm.host.fabricInterface (U3)" ;;
    esac
  else
    fault "there is no interface $FABRIC; see ip link, write ufm.host.fabricInterface (U3)"
  fi
}

. /etc/os-release
[ "$ID" = ubuntu ] || fault "the OS is $PRETTY_NAME; install Ubuntu, on which the guide's UFM runs (U1)"
for tool in curl openssl; do
  command -v "$tool" >/dev/null || fault "$tool is missing; run: apt-get install $tool (U5)"
done
if still_to_come ofed ofed_info -s; then
  echo "MLNX_OFED will be installed"
else
  check_port
  check_interface
fi
ip -o -4 address show dev "$MANAGEMENT" 2>/dev/null | grep -qF " $ADDRESS/" ||
  fault "UFM's address $ADDRESS is not on $MANAGEMENT; configure it, or write ufm.host.managementInterface (D5)"

busy=
for unit in opensm opensmd pacemaker httpd apache2 carbon carbon-cache; do
  ! systemctl is-active -q "$unit" 2>/dev/null || busy="$busy $unit"
done
[ -z "$busy" ] || fault "these run here, and UFM brings its own:$busy; run: systemctl disable --now$busy (U2)"

if still_to_come docker docker version; then
  echo "Docker will be installed"
else
  check_docker
fi

[ "$faults" = 0 ] || fail "faults found: $faults; nothing was changed"
ofed_info -s 2>/dev/null || true
