# Create the folders for UFM's files and its licence (U4). The created ones are noted: `remove` deletes no others.
#
#   FILES, LICENSES   the folders

make() {
  [ -d "$1" ] && return
  make "$(dirname "$1")"
  echo "$1" >> "$NOTES/folders"
  mkdir "$1"
}

was=$(sed -n 's/^files //p' "$NOTES/install" 2>/dev/null || true)
[ "${was:-$FILES}" = "$FILES" ] ||
  fail "UFM was installed with ufm.host.filesDir $was; write that again, or destroy it before it moves to $FILES"
mkdir -p -m 0700 "$NOTES"
make "$FILES"
make "$LICENSES"
