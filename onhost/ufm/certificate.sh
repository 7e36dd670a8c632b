# Make UFM serve a certificate for its address, and print it. Its clients then verify UFM by it.
#
#   ADDRESS, PORT          of UFM's REST API
#   NAME                   empty, or the name in UFM's own certificate, which this step then prints and does not replace
#   FILES, GUID, LIMIT     as for install
#
# UFM's own certificate is self-signed and does not name the address, so no client can verify it. The certificate that
# is made here is self-signed too, and cannot sign others. Its key never leaves the host. The printed certificate is
# read from this host's own port.

ours=$NOTES/server.crt

fits() {
  openssl x509 -in "$1" -noout -checkip "$ADDRESS" | grep -q 'does match' && openssl x509 -in "$1" -noout -checkend 2592000
}

create() {
  umask 077
  cat > "$NOTES/server.cnf" <<END
[req]
prompt = no
distinguished_name = name
x509_extensions = extensions
[name]
CN = $ADDRESS
[extensions]
subjectAltName = IP:$ADDRESS
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
END
  openssl req -x509 -newkey rsa:3072 -nodes -sha256 -days 7300 -config "$NOTES/server.cnf" \
    -keyout "$NOTES/server.key" -out "$NOTES/server.new" 2>&1
  mv "$NOTES/server.new" "$ours"
  rm "$NOTES/server.cnf"
}

# The certificate that UFM's web server presents, once it answers.
served() {
  waited=0
  until openssl s_client -connect "$ADDRESS:$PORT" </dev/null 2>/dev/null | openssl x509 2>/dev/null; do
    [ "$waited" -lt "$LIMIT" ] || fail "no TLS at $ADDRESS:$PORT after $LIMIT s; see ufm.port"
    sleep 1
    waited=$((waited + 1))
  done
}

if [ -n "$NAME" ]; then
  served > "$NOTES/served.crt"
  openssl x509 -in "$NOTES/served.crt" -noout -checkhost "$NAME" | grep -q 'does match' || {
    openssl x509 -in "$NOTES/served.crt" -noout -subject -ext subjectAltName >&2 || true
    fail "UFM's certificate does not have the name $NAME of ufm.serverName; its names are above"
  }
  cat "$NOTES/served.crt"
  exit
fi
if [ ! -e "$ours" ] || ! fits "$ours" >/dev/null; then
  create >&2
fi
if [ "$(served)" != "$(cat "$ours")" ]; then
  place_certificate
  docker exec ufm /etc/init.d/ufmd restart >&2
  running >&2
  if [ "$(served)" != "$(cat "$ours")" ]; then
    served | openssl x509 -noout -subject >&2
    fail "UFM ignores $FILES/conf/webclient/server.crt: write the name (CN) of its certificate, above, as ufm.serverName"
  fi
fi
cat "$ours"
