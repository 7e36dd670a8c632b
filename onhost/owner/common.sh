# What the steps share.

fail() {
  echo "$HOST: $1" >&2
  exit 1
}

field() {
  sed -n "s/^ *\"$1\": \"\(.*\)\",\{0,1\}\$/\1/p" "$MARK"
}

ours() {
  [ "$(field project)/$(field stack)/$(field id)" = "$PROJECT/$STACK/$ID" ]
}

# Steps of two stacks at the same time wait for each other.
lock() {
  mkdir -p -m 0755 "$FOLDER"
  exec 9<"$FOLDER"
  flock 9
}

refuse() {
  [ -n "$(field id)" ] || fail "$MARK names no owner, so $1; if no stack uses this host, delete the file"
  fail "it belongs to stack $(field stack) of project $(field project) (ID $(field id), since $(field since)), so $1; \
use that stack, or take the rack over: pulumi config set takeFrom $(field id)"
}
