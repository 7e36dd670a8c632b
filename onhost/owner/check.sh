# Fail if another stack owns this host. A host without a mark belongs to nobody: its system is a new one.

if [ -e "$MARK" ] && ! ours; then
  refuse 'nothing was deleted'
fi
