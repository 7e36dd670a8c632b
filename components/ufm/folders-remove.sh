# Removes the folders that were made here, as far as nobody else has put something into them.
[ -d "$NOTES" ] || exit 0
[ ! -e "$NOTES/folders" ] || sort -r "$NOTES/folders" | while read -r folder; do
  rmdir "$folder" 2>/dev/null || echo "$folder stays: it is not empty" >&2
done
rm -r "$NOTES"
