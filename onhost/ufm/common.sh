# What the steps share.

fail() {
  echo "UFM host: $1" >&2
  exit 1
}

only_ubuntu() {
  . /etc/os-release
  [ "$ID" = ubuntu ] || fail "the OS is $PRETTY_NAME; install Ubuntu, on which the guide's UFM runs (U1)"
}

# Run `apt-get update` or `apt-get install PACKAGE...`. Wait for another package manager that holds the lock, such as
# unattended-upgrades after a boot. Warnings and errors go to stderr: apt-get update succeeds although a source failed.
apt() {
  waited=0 pause=1 told=$(mktemp)
  until DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@" </dev/null > "$told" 2>&1; do
    if ! grep -q 'Could not get lock' "$told" || [ "$waited" -ge 600 ]; then
      tail -n 20 "$told" | cut -c -400 >&2
      rm "$told"
      return 1
    fi
    echo "waiting for another package manager ($waited s)"
    sleep "$pause"
    waited=$((waited + pause)) pause=$((pause < 15 ? pause * 2 : 15))
  done
  grep '^[WE]:' "$told" | cut -c -400 >&2 || true
  rm "$told"
}

# Fail while UFM runs here: without UFM the fabric has no manager, so the operator chooses the time.
not_while_ufm_runs() {
  [ -z "$(docker ps -q --filter 'name=^ufm$' 2>/dev/null)" ] || fail "UFM runs, and $1 would interrupt it; stop it \
(systemctl stop ufm-enterprise, or docker stop ufm), run pulumi up, and start it again (U1)"
}

# Print the state of the wired port as ibstat shows it, like Active/LinkUp; nothing if no port has the GUID (U2).
port() {
  ibstat 2>/dev/null | awk -v guid="0x$GUID" '
    $1 == "State:" { state = $2 }
    $1 == "Physical" { physical = $3 }
    $1 == "Port" && $2 == "GUID:" && tolower($3) == guid { print state "/" physical }'
}

status() {
  docker exec ufm /etc/init.d/ufmd status 2>&1 | tail -n 1
}

# Print the release that UFM's REST API reports, which needs no password on UFM's own host; nothing without an answer.
release() {
  curl -fsS -m 10 -H 'X-Remote-User: ufmsystem' http://127.0.0.1:8000/app/ufm_version 2>/dev/null |
    sed -n 's/.*"ufm_release_version": *"\([^"]*\)".*/\1/p'
}

# Print what UFM still lacks; nothing once it runs, answers, and its SM has made the wired port Active (U2, U6).
lacks() {
  case "$(status)" in *"is running"*) ;; *) echo "ufmd: $(status)" && return ;; esac
  [ -n "$(release)" ] || { echo "its REST API does not answer" && return; }
  [ "$(port)" = Active/LinkUp ] || echo "port 0x$GUID is $(port), not Active/LinkUp"
}

# Wait until UFM runs (U6, O6).
running() {
  waited=0 pause=1
  while lack=$(lacks) && [ -n "$lack" ]; do
    if [ "$waited" -ge "$LIMIT" ]; then
      { docker logs --tail 20 ufm 2>&1; tail -n 20 "$FILES/log/ufm.log" 2>/dev/null; } | cut -c -400 >&2
      echo "UFM host: UFM does not run after $LIMIT s (U6): $lack. The end of its logs is above" >&2
      return 1
    fi
    echo "waiting for UFM ($waited s): $lack"
    sleep "$pause"
    waited=$((waited + pause)) pause=$((pause < 15 ? pause * 2 : 15))
  done
}

# Copy the certificate that the step `certificate` has made to the folder that UFM's web server reads.
place_certificate() {
  folder=$FILES/conf/webclient
  if [ -e "$folder/server.crt" ] && [ ! -e "$NOTES/certificate" ]; then
    fail "$folder/server.crt was not written by this program, so it stays: write its authority's file as ufm.caFile"
  fi
  echo "$folder" > "$NOTES/certificate"
  install -D -m 0644 "$NOTES/server.crt" "$folder/server.crt"
  install -m 0600 "$NOTES/server.key" "$folder/server.key"
}

# Undo the changes to the fabric interface (U3).
take_back() {
  if [ -e "$ADDRESS_UNIT" ]; then
    systemctl disable rack-fabric-address
    rm -f "$ADDRESS_UNIT"
    systemctl daemon-reload
  fi
  [ -e "$NOTES/address" ] || return 0
  while read -r what interface address; do
    case "$what" in
      address) ip address del "$address" dev "$interface" 2>/dev/null || true ;;  # gone with a reboot
      link) ip link set "$interface" down || true ;;
    esac
  done < "$NOTES/address"
  rm "$NOTES/address"
}
