# Install Docker and enable it at boot, unless the host has it (U1). Packages in the wanted version stay unchanged.
#
#   PACKAGES     the packages, each as NAME or NAME=VERSION, separated by spaces
#   REPOSITORY   URL of their apt repository, whose public key comes on stdin; or empty: they are in Ubuntu's own

key=$(cat)
keyring=/etc/apt/keyrings/rack-docker.asc

# The version of an installed package; nothing for one that is not installed.
installed() {
  dpkg-query -W -f '${db:Status-Status} ${Version}' "$1" 2>/dev/null | sed -n 's/^installed //p'
}

complete() {
  docker version >/dev/null 2>&1 || return 1
  for package in $PACKAGES; do
    case "$package" in
      *=*) [ "$(installed "${package%%=*}")" = "${package#*=}" ] || return 1 ;;
    esac
  done
}

add_repository() {
  echo "$key" | install -D -m 0644 /dev/stdin "$keyring"
  echo "deb [arch=$(dpkg --print-architecture) signed-by=$keyring] $REPOSITORY $VERSION_CODENAME stable" |
    install -D -m 0644 /dev/stdin /etc/apt/sources.list.d/rack-docker.list
}

only_ubuntu
systemctl enable --now docker >/dev/null 2>&1 || true  # it may be installed and stopped
if ! complete; then
  not_while_ufm_runs "the installation of Docker"
  [ -z "$REPOSITORY" ] || add_repository
  apt update || fail "apt-get update failed; the reason is above: correct the repositories or the route to them (U1)"
  apt install --allow-downgrades $PACKAGES ||
    fail "Docker can't be installed; the reason is above: correct ufm.host.install.docker, or install it yourself (U1)"
  systemctl enable --now docker
  complete || fail "Docker is installed, but does not answer; see: systemctl status docker (U1)"
fi
docker version -f '{{.Server.Version}}'
