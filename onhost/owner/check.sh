# Fail if another stack owns this host. A host without a mark has no owner: its system is new.

if [ -e "$MARK" ] && ! ours; then
  refuse 'nothing was deleted'
fi
