# Install MLNX_OFED, unless the host has this release (U1). No firmware is burnt, and no subnet manager is started.
#
#   OFED      the .tgz of the release on this host, or its URL
#   CHECKSUM  SHA-256 of the .tgz, 64 hex digits
#   OPTIONS   further options for mlnxofedinstall, or empty
#   GUID      of the wired port, 16 hex digits

name=${OFED##*/}
release=$(echo "$name" | sed -E 's/^(MLNX_OFED_LINUX-[^-]+-[^-]+)-.*/\1/')
made_for=$(echo "$name" | sed -E 's/^MLNX_OFED_LINUX-[^-]+-[^-]+-(.*)\.tgz$/\1/')
work=/var/tmp/rack-ofed
log=/var/log/rack-ofed.log

installed() { [ "$(ofed_info -s 2>/dev/null)" = "$release:" ]; }

# Return whether the kernel runs the modules on disk. A release that was just installed is on disk only.
loaded() {
  disk=$(modinfo -F version mlx5_core 2>/dev/null) || return 1
  [ "$disk" = "$(cat /sys/module/mlx5_core/version 2>/dev/null)" ]
}

# Refuse a package for another system before it is downloaded.
fits() {
  here=ubuntu$VERSION_ID-$(uname -m)
  case " $OPTIONS" in *" --distro"* | *" --skip-distro-check"*) return 0 ;; esac
  [ "$made_for" = "$here" ] || fail "$name is made for $made_for, and this host is $here; write the package for it (U1)"
}

fetch() {
  case "$OFED" in
    /*)
      [ -s "$OFED" ] || fail "there is no file $OFED of ufm.host.install.mlnxOfed on this host; copy it there (U1)"
      package=$OFED
      ;;
    *)
      command -v curl >/dev/null || apt install curl || fail "curl is missing and can't be installed (U1)"
      package=$work/$name
      curl -fsSL -o "$package" "$OFED" || fail "$OFED can't be downloaded; the reason is above (U1)"
      ;;
  esac
  found=$(sha256sum "$package" | cut -d ' ' -f 1)
  [ "$found" = "$CHECKSUM" ] || fail "$package has the SHA-256 $found, not $CHECKSUM of ufm.host.install.mlnxOfed (U1)"
}

# DKMS builds the modules for the running kernel.
kernel_headers() {
  [ -e "/lib/modules/$(uname -r)/build" ] || apt install "linux-headers-$(uname -r)" ||
    fail "the headers of the running kernel $(uname -r) can't be installed; boot a kernel that Ubuntu offers (U1)"
}

run_installer() {
  tar -C "$work" -xzf "$package"
  cd "$work/${name%.tgz}"
  status=0
  ./mlnxofedinstall --force --without-fw-update $OPTIONS </dev/null > "$log" 2>&1 || status=$?
  [ "$status" != 0 ] || return 0
  tail -n 20 "$log" | cut -c -400 >&2
  fail "mlnxofedinstall of $name failed with status $status; its last lines are above, all of them in $log (U1)"
}

# Loading the modules removes the address of the fabric interface, and the link comes up again after some seconds.
load() {
  systemctl restart openibd ||
    fail "$release is installed, but the modules of the old one are in use: reboot this host, then pulumi up (U1)"
  [ ! -e "$ADDRESS_UNIT" ] || systemctl restart rack-fabric-address
  waited=0
  until case "$(port)" in */LinkUp) ;; *) false ;; esac do
    [ "$waited" -lt 60 ] || break  # the next step says what is wrong with the port
    sleep 1
    waited=$((waited + 1))
  done
}

only_ubuntu
# A run continues when its connection breaks; the next one waits for it and finds its result.
trap '' HUP PIPE
exec 9> /run/rack-ofed.lock
flock 9
if ! installed; then
  fits
  not_while_ufm_runs "the installation of $release"
  trap 'rm -rf "$work"' EXIT
  rm -rf "$work"
  mkdir -m 0700 "$work"
  apt update || echo "apt-get update failed: continuing with the packages on this host" >&2
  fetch
  kernel_headers
  echo "installing $release, which takes about ten minutes; log: $log"
  run_installer 9>&-
  installed || fail "mlnxofedinstall ended without an error, but ofed_info does not show $release; see $log (U1)"
fi
if ! loaded; then
  not_while_ufm_runs "loading the modules of $release"
  load
  loaded || fail "the kernel does not run the modules of $release; Secure Boot? See: dmesg | grep mlx5_core (U1)"
fi
ofed_info -s
