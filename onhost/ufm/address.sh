# Set the dummy address on the fabric interface and bring the interface up: UFM's installer needs both (U3).
#
#   FABRIC, FABRIC_ADDRESS

if grep -s '^address ' "$NOTES/address" | grep -qvxF "address $FABRIC $FABRIC_ADDRESS"; then
  take_back  # the configuration has another address now
fi
if ! ip -o -4 address show dev "$FABRIC" | grep -qF " $FABRIC_ADDRESS "; then
  echo "address $FABRIC $FABRIC_ADDRESS" >> "$NOTES/address"
  ip address add "$FABRIC_ADDRESS" dev "$FABRIC"
fi
case "$(ip -o link show dev "$FABRIC")" in
  *[\<,]UP[,\>]*) ;;
  *)
    echo "link $FABRIC" >> "$NOTES/address"
    ip link set "$FABRIC" up
    ;;
esac
