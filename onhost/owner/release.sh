# Remove the mark of this stack. Another stack's mark stays, and is an error.

[ -e "$MARK" ] || exit 0
lock
ours || refuse 'the mark stays'
rm -f "$MARK"
rmdir "$FOLDER" 2>/dev/null || true  # it contains other files
