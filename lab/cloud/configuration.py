"""Render every configuration file of the cloud as text. Docstrings explain unusual settings."""

from collections.abc import Iterator

from lab.addresses import (
    GLANCE_PORT,
    KEYSTONE_PORT,
    LOOPBACK,
    MYSQL_PORT,
    NEUTRON_PORT,
    NOVA_PORT,
    PLACEMENT_PORT,
    RABBIT_PORT,
)
from lab.cloud.folders import COMPUTES, CONTROLLER, DATA, ETC, RUN, VENV, passwords
from lab.cloud.maintenance import WALLABY, chosen
from lab.cloud.puppet import BUNDLE
from lab.cloud.translation import Compute, Ini, Overcloud

REGION = "regionOne"
"""TripleO's KeystoneRegion."""

KEYSTONE = f"http://{LOOPBACK}:{KEYSTONE_PORT}/v3"
GLANCE = f"http://{LOOPBACK}:{GLANCE_PORT}"
PLACEMENT = f"http://{LOOPBACK}:{PLACEMENT_PORT}"
NOVA = f"http://{LOOPBACK}:{NOVA_PORT}/v2.1"
NEUTRON = f"http://{LOOPBACK}:{NEUTRON_PORT}"

MYSQL_SOCKET = RUN / "mysql.sock"
DATABASES = ("keystone", "placement", "glance", "nova", "nova_api", "nova_cell0", "neutron")

_RABBIT = f"rabbit://guest:guest@{LOOPBACK}:{RABBIT_PORT}/"
"""RabbitMQ's default account, which RabbitMQ accepts from loopback only."""


def render(ini: Ini) -> str:
    """Return the text of an INI file. A sequence becomes one line per item."""
    return "\n".join("\n".join(_section(name, section)) + "\n" for name, section in ini.items())


def _section(name: str, section: object) -> Iterator[str]:
    assert isinstance(section, dict)
    yield f"[{name}]"
    for option, value in section.items():
        for item in (value,) if isinstance(value, (str, int, bool)) else value:
            yield f"{option} = {item}"


def database_url(database: str) -> str:
    """Return SQLAlchemy's URL of one database; it contains the password."""
    return f"mysql+pymysql://lab:{passwords().database}@{LOOPBACK}:{MYSQL_PORT}/{database}?charset=utf8"


def _service_user() -> dict[str, str]:
    return {
        "auth_type": "password",
        "auth_url": KEYSTONE,
        "username": "svc",
        "password": passwords().service,
        "project_name": "service",
        "user_domain_id": "default",
        "project_domain_id": "default",
        "region_name": REGION,
    }


def _authtoken() -> Ini:
    checks = {
        "www_authenticate_uri": KEYSTONE,
        "service_token_roles_required": "true",
        "service_token_roles": "service",
    }
    return {"keystone_authtoken": {**checks, **_service_user()}}


def _oslo() -> Ini:
    return {
        "oslo_concurrency": {"lock_path": str(DATA / "lock")},
        "oslo_messaging_notifications": {"driver": "noop"},
        "oslo_messaging_rabbit": {"heartbeat_timeout_threshold": 0, "rabbit_quorum_queue": False},
    }


# --------------------------------------------------------------------------------------------------------------- base


def mariadb() -> str:
    """Return my.cnf: a small server whose data need not survive a power cut."""
    return f"""\
[mysqld]
datadir={DATA}/mysql
socket={MYSQL_SOCKET}
pid-file={RUN}/mariadb.mysqlpid
bind-address={LOOPBACK}
port={MYSQL_PORT}
user=root
skip-name-resolve
performance_schema=off
innodb_buffer_pool_size=96M
innodb_log_file_size=48M
innodb_flush_log_at_trx_commit=0
innodb_doublewrite=0
skip-log-bin
max_connections=400
"""


def rabbitmq() -> str:
    """Return rabbitmq.conf."""
    return f"""\
listeners.tcp.1 = {LOOPBACK}:{RABBIT_PORT}
distribution.listener.interface = {LOOPBACK}
disk_free_limit.absolute = 50MB
log.console = false
"""


def keystone() -> Ini:
    """Return keystone.conf. Without the cache, a token validation takes a second, the first server half a minute."""
    keys = DATA / "keystone"
    return {
        "DEFAULT": {"log_file": f"{RUN}/keystone.log"},
        "database": {"connection": database_url("keystone")},
        "token": {"provider": "fernet"},
        "fernet_tokens": {"key_repository": f"{keys}/fernet"},
        "credential": {"key_repository": f"{keys}/credential"},
        "cache": {"enabled": True, "backend": "dogpile.cache.memory"},
        "identity": {"password_hash_rounds": 4},
    }


def placement() -> Ini:
    """Return placement.conf."""
    return {
        "DEFAULT": {"log_file": f"{RUN}/placement.log"},
        "api": {"auth_strategy": "keystone"},
        "placement_database": {"connection": database_url("placement")},
        **_authtoken(),
    }


def glance() -> Ini:
    """Return glance-api.conf; zero workers mean one process."""
    return {
        "DEFAULT": {
            "bind_host": LOOPBACK,
            "bind_port": GLANCE_PORT,
            "workers": 0,
            "log_file": f"{RUN}/glance.log",
            "enabled_backends": "fs:file",
            "enabled_import_methods": "[glance-direct,web-download]",
            "node_staging_uri": f"file://{DATA}/staging",
        },
        "database": {"connection": database_url("glance")},
        "glance_store": {"default_backend": "fs"},
        "fs": {"filesystem_store_datadir": f"{DATA}/images"},
        "os_glance_staging_store": {"filesystem_store_datadir": f"{DATA}/staging"},
        "os_glance_tasks_store": {"filesystem_store_datadir": f"{DATA}/tasks"},
        "paste_deploy": {"flavor": "keystone", "config_file": f"{VENV}/etc/glance/glance-api-paste.ini"},
        **_authtoken(),
        **_oslo(),
    }


# --------------------------------------------------------------------------------------------------------------- nova


def nova() -> Ini:
    """Return the sections of nova.conf that all services of nova have, independent of the deployment.

    `periodic_fuzzy_delay=0` and the short discovery interval map a new compute within seconds, not a minute.
    """
    user = _service_user()
    return {
        "DEFAULT": {
            "my_ip": LOOPBACK,
            "transport_url": _RABBIT,
            "state_path": f"{DATA}/nova",
            "enabled_apis": "osapi_compute",
            "osapi_compute_listen": LOOPBACK,
            "osapi_compute_listen_port": NOVA_PORT,
            "osapi_compute_workers": 1,
            "compute_driver": "rackdriver.Rack",
            "resume_guests_state_on_host_boot": False,
            "service_down_time": 60,
            "report_interval": 10,
            "periodic_fuzzy_delay": 0,
        },
        "wsgi": {"api_paste_config": f"{VENV}/etc/nova/api-paste.ini"},
        "api": {"auth_strategy": "keystone"},
        "service_user": {"send_service_user_token": "true", **user},
        "placement": user,
        "neutron": {**user, "service_metadata_proxy": False},
        "glance": user,
        "cinder": user,
        "conductor": {"workers": 1},
        "scheduler": {"workers": 1, "discover_hosts_in_cells_interval": 5},
        "vnc": {"enabled": False},
        **_authtoken(),
        **_oslo(),
    }


def nova_databases() -> Ini:
    """Return the database sections. They are in a separate file, which computes do not have."""
    return {
        "api_database": {"connection": database_url("nova_api")},
        "database": {"connection": database_url("nova")},
    }


def nova_controller(overcloud: Overcloud) -> Ini:
    """Return the sections of nova.conf that TripleO adds on controllers."""
    filters: dict[str, str | tuple[str, ...]] = {"available_filters": overcloud.available_filters}
    if overcloud.enabled_filters:
        filters["enabled_filters"] = ",".join(overcloud.enabled_filters)
    return {
        "DEFAULT": {"host": overcloud.controllers[0]},
        "pci": {"alias": overcloud.aliases},
        "filter_scheduler": filters,
    }


def nova_compute(compute: Compute) -> Ini:
    """Return the sections of nova.conf that TripleO adds on computes. Reserved memory is in MiB."""
    cpus = {"cpu_dedicated_set": compute.dedicated, "cpu_shared_set": compute.shared}
    return {
        "DEFAULT": {
            "host": compute.host,
            "state_path": str(COMPUTES / compute.host),
            "reserved_host_memory_mb": compute.reserved_mib,
        },
        "pci": {"alias": compute.aliases, "device_spec": compute.device_specs},
        "compute": {option: cpus[option] for option in cpus if cpus[option]},
    }


# ------------------------------------------------------------------------------------------------------------ neutron


def neutron(overcloud: Overcloud | None = None) -> Ini:
    """Return neutron.conf; without an overcloud, only the options that the migrations need.

    There is no RPC worker, because `inside/labagent.py` replaces the agents within the API process. agent_down_time
    must only be longer than its agents' heartbeat, which is in the future.
    """
    user = _service_user()
    return {
        "DEFAULT": {
            "bind_host": LOOPBACK,
            "bind_port": NEUTRON_PORT,
            "transport_url": _RABBIT,
            "core_plugin": "ml2",
            "auth_strategy": "keystone",
            "api_workers": 1,
            "rpc_workers": 0,
            "rpc_state_report_workers": 0,
            "state_path": f"{DATA}/neutron",
            "api_paste_config": f"{VENV}/etc/neutron/api-paste.ini",
            "notify_nova_on_port_status_changes": True,
            "notify_nova_on_port_data_changes": True,
            "log_file": f"{RUN}/neutron.log",
            **(overcloud.neutron if overcloud else {}),
        },
        "database": {"connection": database_url("neutron")},
        "nova": user,
        "placement": user,
        "oslo_policy": {"policy_file": str(ETC / "neutron" / "policy.yaml")},
        **_authtoken(),
        **_oslo(),
    }


POLICY = """\
# Since 2024.1, only services may write binding:profile. In Wallaby, which the rack runs, an admin may.
"update_port:binding:profile": "rule:admin_only"
"create_port:binding:profile": "rule:admin_only"
"""


def neutron_before() -> Ini:
    """Return the file that is read before ml2_conf.ini: Wallaby's defaults, and faster polling of UFM's jobs.

    The maintenance thread of networking-mlnx 21.0.0 crashes at every run, so it runs once a day only. The driver
    labagent starts Wallaby's thread instead if it is chosen.
    """
    maintenance = chosen()
    if maintenance.variant == "21.0.0":
        journal: Ini = {"sdn": {"sync_timeout": 2, "maintenance_interval": 86400}}
    else:
        sdn = {"maintenance_interval": maintenance.interval, "processing_timeout": maintenance.timeout}
        journal = {"sdn": {"sync_timeout": 2, **sdn}, "labagent": {"wallaby": str(WALLABY)}}
    return {"mlnx": {"client_id_hardware": False}, **journal}


def neutron_after(ml2_conf: str) -> Ini:
    """Return the file that is read after ml2_conf.ini: it adds the driver labagent and the file of authorities.

    Without `[sdn] cert_path`, RDO's Python trusts the system's authorities.
    """
    drivers = option(ml2_conf, "ml2", "mechanism_drivers")
    cert_path = option(ml2_conf, "sdn", "cert_path") or BUNDLE
    return {
        "ml2": {"mechanism_drivers": f"{drivers},labagent" if drivers else "labagent"},
        "sdn": {"cert_path": f"{CONTROLLER}{cert_path}"},
    }


def option(text: str, section: str, name: str) -> str:
    """Return the value that oslo.config reads from an INI text: the last one; empty if it is not set."""
    current, found = "", ""
    for line in text.splitlines():
        bare = line.strip()
        if bare.startswith("[") and bare.endswith("]"):
            current = bare[1:-1].strip()
        elif current == section and bare[:1] not in ("#", ";"):
            key, equals, value = bare.partition("=")
            if equals and key.strip() == name:
                found = value.strip()
    return found
