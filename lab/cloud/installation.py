"""The cloud's virtual environment, its databases, and keystone's users, services and endpoints."""

import hashlib
import shutil
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab.addresses import MYSQL_PORT
from lab.cloud import configuration, processes
from lab.cloud.client import Identity
from lab.cloud.folders import CLOUD, DATA, ETC, PRISTINE, RUN, VENV, passwords, write
from lab.cloud.maintenance import WALLABY
from lab.process import LabError, Say

LOCK = Path(__file__).with_name("requirements.lock")
WALLABY_LOCK = Path(__file__).with_name("wallaby.lock")
INSIDE = Path(__file__).with_name("inside")
SITE = VENV / "lib" / "python3.11" / "site-packages"

# Endpoints exist before an overcloud is deployed; nova's and neutron's do not answer then.
ENDPOINTS = {
    "glance": ("image", configuration.GLANCE),
    "placement": ("placement", configuration.PLACEMENT),
    "nova": ("compute", configuration.NOVA),
    "neutron": ("network", configuration.NEUTRON),
}


def install(say: Say) -> None:
    """Install packages and databases. Idempotent. Takes about two minutes on two cores.

    Raises:
        LabError: a step fails.
    """
    if _outdated("packages"):
        say("cloud: installing OpenStack")
        _install_packages()
        install_wallaby()
        _mark("packages")
    _link()
    if _outdated("databases"):
        say("cloud: creating the databases")
        _create_databases()
        _mark("databases")


def needed() -> bool:
    """Return whether `install` would change packages or databases. The cloud must be stopped before."""
    return _outdated("packages") or _outdated("databases")


def _inputs(what: str) -> str:
    """Return a digest of the inputs of an installation step."""
    inputs: list[object] = [(WALLABY_LOCK if what == "wallaby" else LOCK).read_text()]
    if what == "databases":
        inputs += [_migrations(), ENDPOINTS]
    return hashlib.sha256(repr(inputs).encode()).hexdigest()


def _outdated(what: str) -> bool:
    file = CLOUD / f"{what}.installed"
    return not file.exists() or file.read_text() != _inputs(what)


def _mark(what: str) -> None:
    write(CLOUD / f"{what}.installed", _inputs(what))


# -------------------------------------------------------------------------------------------------------- environment


def _install_packages() -> None:
    _uv("venv", "--quiet", "--clear", "--python", "3.11", VENV)
    _uv(*_INSTALL, "--python", VENV / "bin" / "python", "--requirements", LOCK)


_INSTALL = ("pip", "install", "--quiet", "--no-deps", "--require-hashes", "--compile-bytecode")


def install_wallaby() -> None:
    """Put Wallaby's networking-mlnx beside the environment: the lab runs its maintenance of the journal. Idempotent.

    Raises:
        LabError: it cannot be downloaded.
    """
    if _outdated("wallaby"):
        shutil.rmtree(WALLABY, ignore_errors=True)
        _uv(*_INSTALL, "--python", VENV / "bin" / "python", "--target", WALLABY, "--requirements", WALLABY_LOCK)
        _mark("wallaby")


def _uv(*words: str | Path) -> None:
    own = Path(sys.executable).with_name("uv")
    tool = str(own) if own.exists() else shutil.which("uv")
    if not tool:
        raise LabError("uv is neither in the project's virtual environment nor in PATH")
    processes.run([tool, *words], UV_SYSTEM_CERTS="1")


def _link() -> None:
    """Link the virt driver and the agents' driver to the folders where nova and neutron load drivers."""
    _symlink(SITE / "nova" / "virt" / "rackdriver.py", INSIDE / "rackdriver.py")
    _symlink(SITE / "labagent.py", INSIDE / "labagent.py")
    package = SITE / "labagent-0.1.dist-info"
    write(package / "METADATA", "Metadata-Version: 2.1\nName: labagent\nVersion: 0.1\n")
    write(package / "entry_points.txt", "[neutron.ml2.mechanism_drivers]\nlabagent = labagent:LabAgent\n")


def _symlink(link: Path, target: Path) -> None:
    if not link.is_symlink() or link.readlink() != target:
        link.unlink(missing_ok=True)
        link.symlink_to(target)


# ---------------------------------------------------------------------------------------------------------- databases


def write_base_configuration() -> None:
    """Write the files that do not depend on an overcloud."""
    write(ETC / "my.cnf", configuration.mariadb())
    write(ETC / "rabbitmq.conf", configuration.rabbitmq())
    write(ETC / "rabbitmq_plugins", "")
    write(ETC / "keystone" / "keystone.conf", configuration.render(configuration.keystone()))
    write(ETC / "placement" / "placement.conf", configuration.render(configuration.placement()))
    write(ETC / "glance" / "glance-api.conf", configuration.render(configuration.glance()))
    write(ETC / "nova" / "nova.conf", configuration.render(configuration.nova()))
    write(ETC / "nova" / "databases.conf", configuration.render(configuration.nova_databases()))
    write(ETC / "neutron" / "policy.yaml", configuration.POLICY)
    write(ETC / "neutron" / "migration.conf", configuration.render(configuration.neutron()))


def _create_databases() -> None:
    for folder in (DATA, PRISTINE):
        shutil.rmtree(folder, ignore_errors=True)
    for name in ("mysql", "keystone/fernet", "keystone/credential", "images", "staging", "tasks", "lock", "nova"):
        (DATA / name).mkdir(parents=True)
    RUN.mkdir(parents=True, exist_ok=True)
    write_base_configuration()
    _initialise_mariadb()
    processes.mariadb().start()
    try:
        processes.wait_for_port(processes.mariadb(), MYSQL_PORT)
        _grant()
        with ThreadPoolExecutor() as pool:
            list(pool.map(_migrate, _migrations()))
        _bootstrap()
    finally:
        processes.stop([processes.keystone()])
        processes.stop([processes.mariadb()])
    shutil.copytree(DATA, PRISTINE)


def _initialise_mariadb() -> None:
    own = ["--auth-root-authentication-method=normal", "--skip-test-db"]
    processes.run(["mariadb-install-db", f"--defaults-file={ETC}/my.cnf", *own])


def _grant() -> None:
    create = [f"CREATE DATABASE {name} CHARACTER SET utf8;" for name in configuration.DATABASES]
    user = f"CREATE USER lab@'127.0.0.1' IDENTIFIED BY '{passwords().database}'; GRANT ALL ON *.* TO lab@'127.0.0.1';"
    processes.sql("\n".join([*create, user]))


def _migrations() -> tuple[tuple[tuple[str, ...], ...], ...]:
    """Return three sequences of commands that run in parallel."""
    nova = ("nova-manage", "--config-file", f"{ETC}/nova/nova.conf", "--config-file", f"{ETC}/nova/databases.conf")
    keystone = ("keystone-manage", "--config-file", f"{ETC}/keystone/keystone.conf")
    placement = ("placement-manage", "--config-file", f"{ETC}/placement/placement.conf")
    glance = ("glance-manage", "--config-file", f"{ETC}/glance/glance-api.conf")
    owner = ("--keystone-user", "root", "--keystone-group", "root")
    neutron = ("neutron-db-manage", "--config-file", f"{ETC}/neutron/migration.conf")
    return (
        ((*neutron, "upgrade", "heads"),),
        (
            (*keystone, "db_sync"),
            (*keystone, "fernet_setup", *owner),
            (*keystone, "credential_setup", *owner),
            (*keystone, "bootstrap"),
            (*placement, "db", "sync"),
            (*glance, "db_sync"),
        ),
        (
            (*nova, "api_db", "sync"),
            (*nova, "cell_v2", "map_cell0"),
            (*nova, "db", "sync"),
            (*nova, "cell_v2", "create_cell", "--name", "cell1"),
        ),
    )


def _migrate(commands: Sequence[Sequence[str]]) -> None:
    for program, *words in commands:
        processes.run([processes.BIN / program, *words], **_bootstrap_environment())


def _bootstrap_environment() -> Mapping[str, str]:
    """Return the variables of `keystone-manage bootstrap`, so that no password is on a command line."""
    return {
        "OS_BOOTSTRAP_PASSWORD": passwords().admin,
        "OS_BOOTSTRAP_REGION_ID": configuration.REGION,
        "OS_BOOTSTRAP_ADMIN_URL": configuration.KEYSTONE,
        "OS_BOOTSTRAP_INTERNAL_URL": configuration.KEYSTONE,
        "OS_BOOTSTRAP_PUBLIC_URL": configuration.KEYSTONE,
        "OS_PLACEMENT_CONFIG_DIR": str(ETC / "placement"),
    }


def _bootstrap() -> None:
    """Create the services' user, its roles, and the catalogue."""
    keystone = processes.keystone()
    keystone.start()
    processes.wait_for_http(keystone, configuration.KEYSTONE)
    identity = Identity()
    project = identity.find_or_create("project", name="service", domain_id="default")
    user = identity.find_or_create("user", name="svc", domain_id="default", password=passwords().service)
    for name in ("admin", "service"):
        role = identity.find_or_create("role", name=name)
        identity.grant(project, user, role)
    for name, (kind, url) in ENDPOINTS.items():
        service = identity.find_or_create("service", name=name, type=kind)
        for interface in ("public", "internal", "admin"):
            identity.create_endpoint(service, interface, configuration.REGION, url)


def reset() -> None:
    """Reset the data to those of the fresh installation. The cloud must be stopped.

    Raises:
        LabError: the cloud is not installed.
    """
    if not PRISTINE.exists():
        raise LabError("the cloud is not installed: run `python -m lab install`")
    shutil.rmtree(DATA)
    shutil.copytree(PRISTINE, DATA)
