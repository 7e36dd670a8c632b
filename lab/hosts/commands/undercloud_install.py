"""`openstack undercloud install` (C2 to C4), after tripleoclient 16.5.0."""

import configparser
import json
import os
import secrets
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from lab.hosts.call import Call
from lab.hosts.commands.openstack import Login, parser, subcommand
from lab.hosts.keys import STACK_KEY, keygen
from lab.hosts.kinds.undercloud import Undercloud
from lab.hosts.outcomes import Refusal
from lab.hosts.state import UndercloudLogin
from lab.hosts.step_faults import reach_step

HOME = "/home/stack"
RULE = "##########################################################"


@subcommand("undercloud install", Login.NONE)
def install(call: Call[Undercloud]) -> None:
    """Check undercloud.conf, install, write stackrc and the passwords (C4)."""
    options = parser(call)
    options.add_argument("-y", "--yes", action="store_true")
    options.add_argument("--force-stack-update", action="store_true")
    options.add_argument("--no-validations", action="store_true")
    options.add_argument("--dry-run", action="store_true")
    given = options.parse()
    if call.uid == 0:
        raise Refusal("This command cannot run under root user. Switch to a normal user.")
    conf = _read_conf(call)
    call.out("Running preflight checks")
    _preflight(call, conf)
    if given.dry_run:
        return
    call.progress(
        "Deploying templates in the directory /home/stack/tripleo-deploy/undercloud/tripleo-heat-installer-templates",
        "PLAY [Undercloud deploy step tasks for 1]",
        "PLAY [Undercloud deploy step tasks for 3]",
        "PLAY [Undercloud deploy step tasks for 5]",
        "PLAY RECAP *** undercloud : ok=289 changed=130 unreachable=0 failed=0",
    )
    reach_step(call, "undercloud")
    _finish(call, conf)
    call.out(f"{RULE}\n\nThe Undercloud has been successfully installed.\n\nUseful files:\n")
    call.out(f"Password file is at {PASSWORDS}\nThe stackrc file is at ~/stackrc\n")
    call.out(f"Use these files to interact with OpenStack services, and\nensure they are secured.\n\n{RULE}")


PASSWORDS = f"{HOME}/tripleo-deploy/undercloud/tripleo-undercloud-passwords.yaml"
NET_CONFIG = "/etc/os-net-config/config.json"


def _read_conf(call: Call[Undercloud]) -> configparser.ConfigParser:
    conf = configparser.ConfigParser(interpolation=None, strict=True)
    try:
        conf.read_string(call.text(f"{HOME}/undercloud.conf"))
    except configparser.Error as error:
        raise Refusal(f"Failed to parse {HOME}/undercloud.conf: {error}") from None
    return conf


def _preflight(call: Call[Undercloud], conf: configparser.ConfigParser) -> None:
    """Run the checks of tripleoclient's `undercloud_preflight`, with its messages."""
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
    _ranges((inside["dhcp_start"], inside["dhcp_end"]), (low, high))


def _ranges(dhcp: tuple[IPv4Address, IPv4Address], inspection: tuple[IPv4Address, IPv4Address]) -> None:
    (start, end), (low, high) = dhcp, inspection
    if start >= end:
        _failed(f'Invalid dhcp range specified, dhcp_start "{start}" does not come before dhcp_end "{end}"')
    if low >= high:
        _failed(f'Invalid inspection range specified, inspection_iprange "{low},{high}" does not come before "{high}"')


def _unchanged(call: Call[Undercloud], local_ip: str) -> None:
    """Check that a second installation has the same address, and the passwords of the first one."""
    if call.path(NET_CONFIG).exists():
        existing = json.loads(call.text(NET_CONFIG))["network_config"][0]["addresses"][0]["ip_netmask"]
        if existing != local_ip:
            _failed(f"Changing the local_ip is not allowed.  Existing IP: {existing}, Configured IP: {local_ip}")
    if call.path(f"{HOME}/stackrc").exists() and not call.path(PASSWORDS).exists():
        _failed(
            f"The {PASSWORDS} file is missing.  This will cause all service passwords to change and break the existing "
            "undercloud. "
        )


def _finish(call: Call[Undercloud], conf: configparser.ConfigParser) -> None:
    login = call.host.state.login
    password = login.password if login else secrets.token_urlsafe(18)
    auth_url = f"https://{conf.defaults()['undercloud_public_host']}:13000"
    with call.host.change():
        call.host.state.login = UndercloudLogin(password, auth_url)
        call.host.state.clean_nodes = conf.getboolean("DEFAULT", "clean_nodes", fallback=False)
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
