# Adapter firmware of one compute (H1 to H3, B1): query, set what differs, reboot, verify. Runs where pulumi runs.
#
#   NAME      the compute's name, for messages
#   TARGET    user@address; PORT and KEY: how to get there; its host key comes on stdin in known_hosts form
#   HCA       PCI address of the adapter
#   FIRST     settings K=V (numbers); SECOND: those the adapter shows only once ADVANCED_PCI_SETTINGS is applied

known=$(mktemp)
trap 'rm -f "$known"' EXIT
cat > "$known"

# at SCRIPT: runs it as root on the compute.
at() {
  printf 'set -eu\n%s\n' "$1" | ssh -p "$PORT" -i "$KEY" -o BatchMode=yes -o ConnectTimeout=10 \
    -o StrictHostKeyChecking=yes -o UserKnownHostsFile="$known" "$TARGET" sudo sh -s
}

# differs SETTINGS: prints those that the adapter does not have; `True(1)` and `IB(1)` are compared by the number.
differs() {
  at "for want in $1; do"'
    have=$(mstconfig -d '"$HCA"' query "${want%%=*}" | awk -v p="${want%%=*}" '\''$1 == p {print $2}'\'')
    case "$have" in *"("*) have=${have##*(}; have=${have%)} ;; esac
    [ "$have" = "${want#*=}" ] || printf "%s " "$want"
  done'
}

# The marker lies in /run, which a boot empties: its absence proves the boot, however short it was.
reboot_and_wait() {
  at 'touch /run/rack-reboot; systemctl reboot' || true
  waited=0 pause=1
  until at 'test ! -e /run/rack-reboot' 2>/dev/null; do
    [ "$waited" -lt 1800 ] || { echo "$NAME is not back after 30 minutes; see its console" >&2; exit 1; }
    sleep "$pause"
    waited=$((waited + pause)) pause=$((pause < 15 ? pause * 2 : 15))
  done
  # SSH answers before nova does, and a guest placed now would be lost with the agent's start.
  until [ -n "$(at "podman ps -q --filter 'name=^nova_compute$' --filter health=healthy")" ]; do
    [ "$waited" -lt 1800 ] || { echo "$NAME: nova_compute is not healthy; see podman logs nova_compute" >&2; exit 1; }
    sleep "$pause"
    waited=$((waited + pause)) pause=$((pause < 15 ? pause * 2 : 15))
  done
}

# apply SETTINGS: brings the adapter to them.
apply() {
  change=$(differs "$1")
  [ -n "$change" ] || return 0
  echo "$NAME: setting $change"
  guests=$(at 'pgrep -x qemu-kvm || [ $? -eq 1 ]')  # 1: none; anything else is no answer
  if [ -n "$guests" ]; then
    echo "$NAME runs guests; delete or move them before its firmware is changed (B1)" >&2
    exit 1
  fi
  at "mstconfig -y -d $HCA set $change" >&2
  reboot_and_wait
  change=$(differs "$1")
  [ -z "$change" ] || { echo "$NAME: not applied by the reboot: $change; power-cycle the node" >&2; exit 1; }
}

at 'command -v mstconfig >/dev/null || dnf install -y mstflint' >&2
apply "$FIRST"
apply "$SECOND"
echo "$NAME: firmware as planned"
