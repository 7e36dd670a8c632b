"""undercloud.conf (C2), checked by tripleoclient's options and preflight, and for keys that oslo.config ignores."""

import configparser

from oslo_config import cfg
from request import suggestion
from tripleoclient import utils
from tripleoclient.config.undercloud import UndercloudConfig
from tripleoclient.v1 import undercloud_config, undercloud_preflight

FILE = "undercloud.conf"


def run(request):
    """Check undercloud.conf."""
    path = str(request.home / FILE)
    written = configparser.RawConfigParser(strict=True)
    try:
        written.read(path)
    except configparser.Error as error:
        return {"findings": [[FILE, str(error)]]}
    texts = [*_options(path, written), *_preflight(path)]
    return {"findings": [[FILE, text] for text in dict.fromkeys(texts)]}


def _options(path, written):
    wallaby = UndercloudConfig()
    base = wallaby.get_opts()
    conf = cfg.ConfigOpts()
    conf.register_opts(base)
    conf(args=[], default_config_files=[path], project="undercloud")
    yield from _unknown("DEFAULT", written.defaults(), base)
    yield from _values(conf, "DEFAULT", base)
    try:
        subnets, local = list(conf.subnets), conf.local_subnet
    except ValueError:
        return
    for name in set(written.sections()) - set(subnets):
        yield f"[{name}]: found a section that `subnets` does not name; write its name there, or remove it"
    for name in subnets:
        options = wallaby.get_local_subnet_opts() if name == local else wallaby.get_remote_subnet_opts()
        if not written.has_section(name):
            yield f"[{name}]: missing; write the section, `subnets` names it"
            continue
        conf.register_opts(options, group=name)
        yield from _unknown(name, written._sections[name], options)
        yield from _values(conf, name, options)


def _unknown(section, keys, options):
    known = [option.dest for option in options]
    for key in keys:
        if key not in known:
            yield f"[{section}] {key}: unknown option; {suggestion(key, known)}"


def _values(conf, section, options):
    """Yield invalid values. oslo.config validates a value when it is read."""
    for option in options:
        try:
            (conf if section == "DEFAULT" else conf[section])[option.dest]
        except ValueError as error:
            yield f"[{section}] {option.dest}: {error}"


def _preflight(path):
    """Yield what those checks of `openstack undercloud install` report that only read the file."""
    conf = cfg.CONF
    try:
        utils.load_config(conf, path)
        undercloud_config._load_subnets_config_groups()
    except Exception as error:
        yield f"{type(error).__name__}: {error}"
        return
    pre = undercloud_preflight
    yield from _fault_of(pre._validate_value_formats)
    yield from _fault_of(pre._check_routed_networks_enabled_if_multiple_subnets_defined)
    yield from _fault_of(pre._check_all_or_no_subnets_use_dns_nameservers)
    yield from _fault_of(pre._validate_deprecetad_now_invalid_parameters)
    for name in conf.subnets:
        subnet = conf.get(name)
        yield from _fault_of(pre._validate_in_cidr, subnet, name)
        yield from _fault_of(pre._validate_dhcp_range, subnet, name)
        yield from _fault_of(pre._validate_inspection_range, subnet)
        yield from _fault_of(pre._validate_dnsnameservers, subnet)
    yield from _fault_of(pre._validate_ips)
    yield from _fault_of(pre._validate_architecure_options)


def _fault_of(step, *arguments):
    try:
        step(*arguments)
    except Exception as error:
        yield f"preflight: {error}"
