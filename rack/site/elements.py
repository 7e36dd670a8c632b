"""Image elements by name (G1, G2): those of diskimage-builder 3.10.0, and those of NVIDIA's How-to.

tests/conformance compares the first list with the package. Other elements are a site's own; newer releases of
diskimage-builder have more.
"""

_STOCK = """
    apt-conf apt-preferences apt-sources baremetal base block-device-efi block-device-gpt block-device-mbr
    bootloader cache-url centos centos-minimal centos7 cleanup-kernel-initrd cloud-init cloud-init-datasources
    cloud-init-disable-resizefs cloud-init-nocloud debian debian-minimal debian-systemd debian-upstart debootstrap
    deploy-baremetal deploy-kexec deploy-targetcli deploy-tgtadm devuser dhcp-all-interfaces dib-init-system
    dib-python dib-run-parts disable-nouveau disable-selinux dkms docker dpkg dracut-network dracut-ramdisk
    dracut-regenerate dynamic-login element-manifest enable-serial-console ensure-venv epel fedora fedora-minimal
    gentoo growroot grub2 hpdsa hwburnin hwdiscovery ibft-interfaces ilo install-bin install-static install-types
    iscsi-boot iso journal-to-console local-config lvm manifests mellanox modprobe modprobe-blacklist no-final-image
    oat-client openssh-server openstack-ci-mirrors opensuse opensuse-minimal package-installs pip-and-virtualenv
    pip-cache pkg-map posix proliant-tools pypi python-brickclient python-stow-versions ramdisk ramdisk-base
    rax-nova-agent redhat-common rhel rhel-common rhel7 rpm-distro runtime-ssh-host-keys select-boot-kernel-initrd
    selinux-permissive simple-init source-repositories stable-interface-names svc-map sysctl sysprep uboot ubuntu
    ubuntu-common ubuntu-minimal ubuntu-signed ubuntu-systemd-container vm yum yum-minimal zipl zypper
    zypper-minimal
"""
STOCK = frozenset(_STOCK.split())
"""The elements of diskimage-builder."""
_VENDOR = "cloud-init-config cloud-init-net-conf-disabled rdma-core mofed cuda gpudirect-bench dhclient-hw"
VENDOR = frozenset(_VENDOR.split())
"""The elements of NVIDIA's How-to, which the folder of own elements contains."""
_SYSTEMS = """
    centos centos-minimal centos7 debian debian-minimal docker fedora fedora-minimal gentoo opensuse opensuse-minimal
    rhel rhel7 ubuntu ubuntu-minimal ubuntu-systemd-container
"""
SYSTEMS = frozenset(_SYSTEMS.split())
"""The elements that provide an operating system. disk-image-create accepts one of them in an image."""
WITH_SYSTEM = frozenset(("debian-systemd", "debian-upstart", "ubuntu-signed"))
"""Elements that bring one along."""
