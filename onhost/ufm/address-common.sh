# Undo what the step `address` has done to the fabric interface, from its notes (U3).
#
#   NOTES/address   lines: "address INTERFACE ADDRESS" for one that was added, "link INTERFACE" for one that was brought up

take_back() {
  [ -e "$NOTES/address" ] || return 0
  while read -r what interface address; do
    case "$what" in
      address) ip address del "$address" dev "$interface" 2>/dev/null || true ;;  # a reboot removes it
      link) ip link set "$interface" down || true ;;
    esac
  done < "$NOTES/address"
  rm "$NOTES/address"
}
