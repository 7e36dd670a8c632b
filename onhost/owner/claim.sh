# Become the owner of a host without a mark, or of one that the stack TAKE_FROM owns. Print the host's owner.
#
#   TAKE_FROM   the ID of the owner that is replaced, or empty

lock
if [ -e "$MARK" ] && ! ours && { [ -z "${TAKE_FROM:-}" ] || [ "$(field id)" != "$TAKE_FROM" ]; }; then
  refuse 'nothing was changed'
fi
if [ ! -e "$MARK" ] || ! ours; then
  [ ! -e "$MARK" ] || echo "$HOST: taken from stack $(field stack) of project $(field project) ($(field id))" >&2
  printf '{\n "project": "%s",\n "stack": "%s",\n "id": "%s",\n "since": "%s"\n}\n' \
    "$PROJECT" "$STACK" "$ID" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" > "$MARK.new"
  chmod 0644 "$MARK.new"
  sync "$MARK.new"
  mv "$MARK.new" "$MARK"
fi
echo "$HOST: owned by $(field project)/$(field stack) $(field id) since $(field since)"
