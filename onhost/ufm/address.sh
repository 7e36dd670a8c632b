# Set the dummy address on the fabric interface and bring the interface up: UFM's installer needs both (U3).
#
#   FABRIC, FABRIC_ADDRESS   the interface; its address with prefix length

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
# A reboot loses both; the unit restores them before UFM starts. An address that was there before is not restored here.
if [ -e "$NOTES/address" ]; then
  cat > "$ADDRESS_UNIT" <<END
[Unit]
Description=Address on the fabric interface for UFM
Wants=sys-subsystem-net-devices-$FABRIC.device
After=sys-subsystem-net-devices-$FABRIC.device network.target openibd.service
Before=docker.service ufm-enterprise.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'ip address replace $FABRIC_ADDRESS dev $FABRIC && ip link set $FABRIC up'

[Install]
WantedBy=multi-user.target
END
  systemctl daemon-reload
  systemctl enable rack-fabric-address
fi
