# What was done to the fabric interface is noted, and taken back from the notes (U3).
#
#   NOTES/address   lines: "address INTERFACE ADDRESS" for one set here, "link INTERFACE" for one brought up here

address_unit=/etc/systemd/system/rack-fabric-address.service

take_back() {
  if [ -e "$address_unit" ]; then
    systemctl disable rack-fabric-address
    rm -f "$address_unit"
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
