"""MLNX_OFED on UFM's node: its installer, the service that loads its modules, and what shows them (U1).

Source of the installer's checks, statuses and texts: the installer of a real package for Debian and Ubuntu
(`mlnxofedinstall`, version 3), transcripts of versions 4.9 and 24.01, and NVIDIA: "Installing MLNX_OFED".
"""

import argparse
from pathlib import PurePosixPath

from lab.hosts.call import Call
from lab.hosts.kinds.ufm import KERNEL, MODULE, UfmHost, module_version
from lab.hosts.outcomes import Become, Refusal
from lab.hosts.output import Parser
from lab.hosts.registry import UNITS, command
from lab.hosts.state import Unit

ERROR, INVALID, PREREQUISITE = 1, 22, 172
"""Exit statuses of the installer."""
REQUIRED = ("dkms", "build-essential")
"""Packages of the distribution that the installer adds: a selection."""
LOGS = "/tmp/MLNX_OFED_LINUX.1071.logs"  # noqa: S108 - a text


@command("uname", UfmHost)
def uname(call: Call[UfmHost]) -> int:
    """Show the kernel of Ubuntu 18.04; run the real uname for other options than -r."""
    if list(call.argv[1:]) != ["-r"]:
        raise Become(["/usr/bin/uname", *call.argv[1:]])
    call.out(KERNEL)
    return 0


@command("modinfo", UfmHost)
def modinfo(call: Call[UfmHost]) -> int:
    """Run `-F version mlx5_core`: the release of the module on disk. The kernel's own has none."""
    if list(call.argv[1:]) != ["-F", "version", MODULE]:
        raise Refusal(f"modinfo: ERROR: Module {call.argv[-1]} not found.")
    if call.host.state.ofed:
        call.out(module_version(call.host.state.ofed_release))
    return 0


@command("mlnxofedinstall", UfmHost)
def mlnxofedinstall(call: Call[UfmHost]) -> int:
    """Install the release of a package, whose folder is the first argument."""
    folder, *words = call.argv[1:]
    options = _options(call, words)
    if call.uid != 0:
        raise Refusal(f"Only root can run {folder}/mlnxofedinstall", PREREQUISITE)
    _check_system(call, folder, options)
    call.out(f"Logs dir: {LOGS}\nGeneral log file: {LOGS}/general.log")
    if not options.force:
        call.out(
            "This program will install the MLNX_OFED_LINUX package on your machine.\nDo you want to continue?[y/N]:"
        )
        if call.read()[:1] not in ("y", "Y"):
            return ERROR
    _add_packages(call)
    call.out("Removing old packages...")
    _set(call, "")
    call.progress("Installing new packages", "Installing mlnx-ofed-kernel-dkms...")
    if f"linux-headers-{KERNEL}" not in call.host.state.debs:
        call.out(f"\nError: mlnx-ofed-kernel-dkms installation failed!\nCollecting debug info...\n\nSee:\n"
                 f"\t{LOGS}/mlnx-ofed-kernel-dkms.debinstall.log\nRemoving newly installed packages...")  # fmt: skip
        return ERROR
    _set(call, call.text(f"{folder}/mlnx").strip())
    call.out("Skipping FW update." if options.without_fw_update else "Attempting to perform Firmware update...")
    end = "To load the new driver, run:\n/etc/init.d/openibd restart"
    if not options.without_fw_update:
        end = "Please reboot your system for the changes to take effect."
    call.out(f"Installation passed successfully\n{end}")
    return 0


def _options(call: Call[UfmHost], words: list[str]) -> argparse.Namespace:
    parser = Parser(call, "mlnxofedinstall")
    for flag in ("--force", "--without-fw-update", "--add-kernel-support", "--skip-distro-check"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--distro")
    try:
        return parser.parse_words(words)
    except Refusal as refusal:
        raise Refusal(refusal.text, INVALID) from None


def _check_system(call: Call[UfmHost], folder: str, options: argparse.Namespace) -> None:
    if not call.path(f"{folder}/mlnx").is_file():
        raise Refusal(".mlnx file not found. Cannot continue...", PREREQUISITE)
    system = dict(line.split("=", 1) for line in call.text("/etc/os-release").splitlines())
    here = options.distro or f"{system['ID']}{system['VERSION_ID']}".replace('"', "")
    if not here.startswith(("ubuntu", "debian")):
        call.out(f"Current operation system is not supported ({here})!")
        raise Refusal("", ERROR)
    distro, arch = (call.text(str(PurePosixPath(folder, name))).strip() for name in ("distro", "arch"))
    if arch != "x86_64":
        call.out(f"Error: The current MLNX_OFED_LINUX is intended for a {arch} architecture")
        raise Refusal("", PREREQUISITE)
    if distro != here and not options.skip_distro_check:
        call.out(f"Error: The current MLNX_OFED_LINUX is intended for {distro}")
        raise Refusal("", PREREQUISITE)


def _add_packages(call: Call[UfmHost]) -> None:
    call.out("Checking SW Requirements...")
    missing = [name for name in REQUIRED if name not in call.host.state.debs]
    if not missing:
        return
    call.out("One or more required packages for installing MLNX_OFED_LINUX are missing.\n"
             f"Attempting to install the following missing packages:\n{' '.join(missing)}")  # fmt: skip
    if call.host.state.offline:
        call.out(f"Failed command: apt-get install -y {' '.join(missing)}")
        raise Refusal("", PREREQUISITE)
    with call.host.change():
        call.host.state.debs.update(dict.fromkeys(missing, "1"))


def _set(call: Call[UfmHost], release: str) -> None:
    """Put the packages of a release into place, or remove those of every release. The subnet manager is not enabled."""
    with call.host.change():
        call.host.state.ofed, call.host.state.ofed_release = bool(release), release
        for name in ("openibd", "opensmd"):
            call.host.state.units.pop(name, None)
        if release:
            call.host.state.units["openibd"] = Unit(active=True, enabled=True)
            call.host.state.units["opensmd"] = Unit()


@UNITS.register("openibd", UfmHost)
def switch_modules(call: Call[UfmHost], verb: str) -> None:
    """Load the modules of the installed release. The fabric interface loses its address, and the port its link."""
    if call.host.state.modules_in_use:
        raise Refusal("Job for openibd.service failed because the control process exited with error code.")
    fabric = call.rack.backends.fabric
    fabric.unlink(call.host.name)
    call.host.load_modules()
    fabric.link(call.host.name)
