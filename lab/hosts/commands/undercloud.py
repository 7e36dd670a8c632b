"""The undercloud's preparation and installation (C1 to C5), after tripleoclient 16.5.0's own checks."""

import configparser
import json
import os
import secrets
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from lab.hosts import step_faults, templates
from lab.hosts.call import Call, Parser, Refusal, command
from lab.hosts.commands.common import ON_INSTALL
from lab.hosts.commands.openstack import parser, subcommand
from lab.hosts.keys import STACK_KEY, keygen
from rack.plan import HEAT_TEMPLATES

HOME = "/home/stack"
RULE = "##########################################################"

# -- C1


@command("df", "undercloud", "controller", "compute")
def df(call: Call) -> None:
    """Sizes of the root partition: what the stack's configuration expects, and a fifth more (C1)."""
    options = Parser(call, "df", add_help=False)
    options.add_argument("-h", "--human-readable", action="store_const", const=1, dest="human")
    options.add_argument("-k", action="store_const", const="K", dest="block_size")
    options.add_argument("-m", action="store_const", const="M", dest="block_size")
    options.add_argument("-B", "--block-size", default="K")
    options.add_argument("-P", "--portability", action="store_true")
    options.add_argument("-T", "--print-type", action="store_true")
    options.add_argument("--output", nargs="?", const="source,fstype,size,used,avail,pcent,target")
    options.add_argument("files", nargs="*")
    given = options.parse()
    for name in given.files:
        if not call.path(name).exists():
            raise Refusal(f"df: {name}: No such file or directory")
    columns = (given.output or "source,size,used,avail,pcent,target").split(",")
    fields = _disk(call.rack.plan.site.undercloud.root_gib, "G" if given.human else given.block_size)
    unknown = [c for c in columns if c not in fields]
    if unknown:
        raise Refusal(f"df: option --output: field '{unknown[0]}' unknown")
    heads = {
        "source": "Filesystem",
        "fstype": "Type",
        "size": "Size",
        "used": "Used",
        "avail": "Avail",
        "pcent": "Use%",
    }
    call.out(" ".join(f"{heads.get(c, 'Mounted on'):<12}" for c in columns).rstrip())
    call.out(" ".join(f"{fields[c]:<12}" for c in columns).rstrip())


def _disk(wanted_gib: int, unit: str) -> dict[str, str]:
    units = {"K": 2**10, "M": 2**20, "G": 2**30, "1": 1}
    if unit[:1] not in units:
        raise Refusal(f"df: invalid -B argument '{unit}'")
    size, used = wanted_gib * 6 // 5 * 2**30, 9 * 2**30
    suffix = unit if unit in ("G", "M") else ""

    def show(amount: int) -> str:
        return f"{amount // units[unit[:1]]}{suffix}"

    return {
        "source": "/dev/sda2", "fstype": "xfs", "size": show(size), "used": show(used), "avail": show(size - used),
        "pcent": f"{100 * used // size}%", "target": "/",
    }  # fmt: skip


REPOSITORIES = (
    "delorean",
    "delorean-wallaby-testing",
    "tripleo-centos-advanced-virtualization",
    "tripleo-centos-rabbitmq",
)


@command("tripleo-repos", "undercloud")
def tripleo_repos(call: Call) -> None:
    """`-b wallaby current`: adds the repositories that hold Wallaby's packages (C1)."""
    options = Parser(call, "tripleo-repos")
    options.add_argument(
        "-b", "--branch", default="master", choices=["master", "wallaby", "victoria", "ussuri", "train"]
    )
    options.add_argument("-d", "--distro", default="centos8")
    options.add_argument("--stream", action="store_true")
    options.add_argument("--no-stream", action="store_true")
    options.add_argument(
        "repos",
        nargs="+",
        choices=["current", "current-tripleo", "current-tripleo-dev", "deps", "ceph", "tripleo-ci-testing"],
    )
    given = options.parse()
    call.as_root()
    if given.branch != "wallaby":
        raise Refusal(f"tripleo-repos: the mirror holds no branch {given.branch} for CentOS Stream 8: HTTP 404")
    for name in REPOSITORIES:
        call.write(f"/etc/yum.repos.d/{name}.repo", f"[{name}]\nname={name}\nenabled=1\n")
        call.out(f"Installed repo {name} to /etc/yum.repos.d/{name}.repo")


def _client(call: Call) -> None:
    """python3-tripleoclient depends on TripleO's templates: the real ones of Wallaby."""
    templates.install(call.path(HEAT_TEMPLATES), call.host.state.get("released_templates", False))


ON_INSTALL["python3-tripleoclient"] = _client
ON_INSTALL["openstack-tripleo-heat-templates"] = _client


@command("lspci", "undercloud")
def lspci(call: Call) -> None:
    """The undercloud is the image builder too: it has a GPU (G2)."""
    call.out(
        "00:00.0 Host bridge: Intel Corporation Xeon E7 v4/Xeon E5 v4 DMI2\n"
        "3b:00.0 3D controller: NVIDIA Corporation GA100"
    )


@command("nvidia-smi", "undercloud")
def nvidia_smi(call: Call) -> None:
    if list(call.argv[1:]) != ["-L"]:
        raise Refusal("Invalid combination of input arguments. Please run 'nvidia-smi -h' for help.", 1)
    call.out("GPU 0: NVIDIA A100-PCIE-40GB (UUID: GPU-5f2b1f0e-6c1e-4b7d-9a4a-000000000000)")


# -- C2 to C4


@subcommand("undercloud install", needs_stackrc=False)
def install(call: Call) -> None:
    """Checks undercloud.conf as the preflight does, installs, writes stackrc and the passwords (C4)."""
    options = parser(call)
    options.add_argument("-y", "--yes", action="store_true")
    options.add_argument("--force-stack-update", action="store_true")
    options.add_argument("--no-validations", action="store_true")
    options.add_argument("--dry-run", action="store_true")
    given = options.parse()
    if call.uid == 0:
        raise Refusal("This command cannot run under root user. Switch to a normal user.")
    conf = read_conf(call)
    call.out("Running preflight checks")
    preflight(call, conf)
    if given.dry_run:
        return
    call.progress(
        "Deploying templates in the directory /home/stack/tripleo-deploy/undercloud/tripleo-heat-installer-templates",
        "PLAY [Undercloud deploy step tasks for 1]",
        "PLAY [Undercloud deploy step tasks for 3]",
        "PLAY [Undercloud deploy step tasks for 5]",
        "PLAY RECAP *** undercloud : ok=289 changed=130 unreachable=0 failed=0",
    )
    step_faults.meet(call, "undercloud")
    _finish(call, conf)
    call.out(f"{RULE}\n\nThe Undercloud has been successfully installed.\n\nUseful files:\n")
    call.out(f"Password file is at {PASSWORDS}\nThe stackrc file is at ~/stackrc\n")
    call.out(f"Use these files to interact with OpenStack services, and\nensure they are secured.\n\n{RULE}")


PASSWORDS = f"{HOME}/tripleo-deploy/undercloud/tripleo-undercloud-passwords.yaml"
NET_CONFIG = "/etc/os-net-config/config.json"


def read_conf(call: Call) -> configparser.ConfigParser:
    conf = configparser.ConfigParser(interpolation=None, strict=True)
    try:
        conf.read_string(call.text(f"{HOME}/undercloud.conf"))
    except configparser.Error as error:
        raise Refusal(f"Failed to parse {HOME}/undercloud.conf: {error}") from None
    return conf


def preflight(call: Call, conf: configparser.ConfigParser) -> None:
    """tripleoclient's `undercloud_preflight`, check by check, in its words."""
    top = conf.defaults()
    for key in (
        "local_ip",
        "undercloud_hostname",
        "undercloud_public_host",
        "undercloud_admin_host",
        "local_interface",
    ):
        if not top.get(key):
            _failed(f"{key} is not set in {HOME}/undercloud.conf")
    _booleans(conf)
    local = _local_ip(top["local_ip"])
    if "." not in top["undercloud_hostname"]:
        _failed(f'Hostname "{top["undercloud_hostname"]}" is not fully qualified.')
    for name in filter(None, top.get("subnets", "ctlplane-subnet").split(",")):
        _subnet(conf, name.strip(), local)
    interface = top["local_interface"]
    if interface not in (call.rack.plan.site.undercloud.interface, call.rack.plan.site.networks.external.interface):
        _failed(f"Invalid local_interface specified. {interface} is not available.")
    _unchanged(call, top["local_ip"])
    images = top.get("container_images_file")
    if images and not call.path(images).is_file():
        _failed(f"Error: The following files were not found: {images}")


def _failed(message: str) -> None:
    raise Refusal(f"{message}\nUndercloud configuration validation failed: {message}\nCommand failed.")


def _booleans(conf: configparser.ConfigParser) -> None:
    keys = {
        "generate_service_certificate", "undercloud_debug", "enable_telemetry", "enable_validations", "enable_novajoin",
        "clean_nodes", "masquerade",
    }  # fmt: skip
    for section in ("DEFAULT", *conf.sections()):
        for key, value in conf[section].items():
            if key in keys and value.lower() not in ("true", "false", "1", "0", "yes", "no", "on", "off"):
                _failed(f"Value for option {key} from LocationInfo is not valid: Unexpected boolean value {value!r}")


def _local_ip(text: str) -> IPv4Interface:
    try:
        local = IPv4Interface(text)
        if local.network.prefixlen == 32:
            raise ValueError("Invalid netmask")
    except ValueError as error:
        _failed(f'local_ip "{text}" not valid: "{error}" Value must be in CIDR format.')
    return local


def _subnet(conf: configparser.ConfigParser, name: str, local: IPv4Interface) -> None:
    if not conf.has_section(name):
        _failed(f"Section {name} is missing in {HOME}/undercloud.conf")
    section, top = conf[name], conf.defaults()
    try:
        cidr = IPv4Network(section["cidr"])
        inside = {k: IPv4Address(section[k]) for k in ("gateway", "dhcp_start", "dhcp_end")}
        low, high = (IPv4Address(a.strip()) for a in section["inspection_iprange"].split(","))
        hosts = {k: IPv4Address(top[k]) for k in ("undercloud_admin_host",)}
    except KeyError as error:
        _failed(f"[{name}] {error.args[0]} is not set")
    except ValueError as error:
        _failed(f"Invalid IP address: {error}")
    if name == top.get("local_subnet", "ctlplane-subnet"):
        inside |= {"local_ip": local.ip, **hosts}
    for key, address in inside.items():
        if address not in cidr:
            _failed(f'Config option {key} "{address}" not in defined CIDR "{cidr}"')
    start, end = inside["dhcp_start"], inside["dhcp_end"]
    if start >= end:
        _failed(f'Invalid dhcp range specified, dhcp_start "{start}" does not come before dhcp_end "{end}"')
    if low >= high:
        _failed(f'Invalid inspection range specified, inspection_iprange "{low},{high}" does not come before "{high}"')


def _unchanged(call: Call, local_ip: str) -> None:
    """A second installation keeps address and passwords."""
    if call.path(NET_CONFIG).exists():
        existing = json.loads(call.text(NET_CONFIG))["network_config"][0]["addresses"][0]["ip_netmask"]
        if existing != local_ip:
            _failed(f"Changing the local_ip is not allowed.  Existing IP: {existing}, Configured IP: {local_ip}")
    if call.path(f"{HOME}/stackrc").exists() and not call.path(PASSWORDS).exists():
        _failed(
            f"The {PASSWORDS} file is missing.  This will cause all service passwords to change and break the existing "
            "undercloud. "
        )


def _finish(call: Call, conf: configparser.ConfigParser) -> None:
    known = call.host.state.get("undercloud")
    password = known["password"] if known else secrets.token_urlsafe(18)
    address = str(IPv4Interface(conf.defaults()["local_ip"]).ip)
    auth_url = f"https://{conf.defaults()['undercloud_public_host']}:13000"
    with call.host.change() as state:
        state["undercloud"] = {"password": password, "auth_url": auth_url, "local_ip": address}
        state["clean_nodes"] = conf.getboolean("DEFAULT", "clean_nodes", fallback=False)
    key = call.path(f"/{STACK_KEY}")
    keygen(key, "stack@undercloud", "rsa")
    for path in (key.parent, key, key.with_suffix(".pub")):
        os.chown(path, call.uid, call.uid)
    bridge = {"name": "br-ctlplane", "type": "ovs_bridge", "addresses": [{"ip_netmask": conf.defaults()["local_ip"]}]}
    call.host.root.write(NET_CONFIG, json.dumps({"network_config": [bridge]}))
    call.write(PASSWORDS, f"parameter_defaults:\n  AdminPassword: {password}\n", 0o600)
    call.write(f"{HOME}/undercloud-passwords.conf", f"[auth]\nundercloud_admin_password: {password}\n", 0o600)
    call.write(f"{HOME}/stackrc", _stackrc(auth_url, password), 0o600)


def _stackrc(auth_url: str, password: str) -> str:
    values = {
        "OS_AUTH_TYPE": "password", "OS_PASSWORD": password, "OS_AUTH_URL": auth_url, "OS_USERNAME": "admin",
        "OS_PROJECT_NAME": "admin", "OS_CLOUDNAME": "undercloud", "OS_IDENTITY_API_VERSION": "3",
        "OS_PROJECT_DOMAIN_NAME": "Default", "OS_USER_DOMAIN_NAME": "Default", "OS_REGION_NAME": "regionOne",
        "OS_CACERT": "/etc/pki/ca-trust/source/anchors/cm-local-ca.pem",
    }  # fmt: skip
    head = (
        "# Clear any old environment that may conflict.\n"
        "for key in $( set | awk -F= '/^OS_/ {print $1}' ); do unset \"$key\" ; done\n"
    )
    return head + "".join(f"export {k}={v}\n" for k, v in values.items())
