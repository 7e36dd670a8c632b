# The folders of UFM's files and of its licence (U4). Those made here are noted: the removal takes no other.
#
#   FILES, LICENSES   the folders; NOTES: where the steps note what is theirs

make() {
  [ -d "$1" ] && return
  make "$(dirname "$1")"
  echo "$1" >> "$NOTES/folders"
  mkdir "$1"
}

mkdir -p -m 0700 "$NOTES"
make "$FILES"
make "$LICENSES"
