"""ML2 mechanism driver `labagent`, listed last: replaces the L2, DHCP and L3 agents, which do not run.

It binds no port. The table `agents` lists the agents, which are TripleO's and always alive. When an object changes, the
driver calls the functions of neutron's server that the real agent would call over RPC:

    L2      provisioning_blocks.provisioning_complete, as RpcCallbacks.update_device_up does for a bound port: ML2 then
            sets the port ACTIVE and notifies nova
    DHCP    a full sync: DhcpRpcCallback.get_active_networks_info (which also schedules networks to agents), then for
            each network create_dhcp_port, update_dhcp_port or release_dhcp_port
    L3      a full sync: L3RpcCallback.get_router_ids (schedules routers), sync_routers (binds their ports to the
            agent's host), update_floatingip_statuses; for HA routers update_ha_routers_states, the first host active

The driver does not imitate the agents' work on their hosts (dnsmasq, namespaces, addresses), so there is no data plane.

It also moves networking-mlnx's journal to neutron's API process. The journal's threads start before neutron forks that
process. They are eventlet's, so the child has copies of them. When the child wakes one (each change cancels the
journal's timer), the copy continues in the parent's event loop instead of the child's, and the API sometimes hangs.

With `[labagent] wallaby`, the folder of networking-mlnx 18.0.0, the maintenance of the journal is that release's.
"""

import importlib.util
import pathlib
import threading

import eventlet
from eventlet import event as eventlet_event
from neutron.api.rpc.handlers import dhcp_rpc, l3_rpc
from neutron.common import utils
from neutron.db import provisioning_blocks
from neutron_lib import constants as n
from neutron_lib import context as nl_context
from neutron_lib.api.definitions import portbindings as pb
from neutron_lib.callbacks import events, registry, resources
from neutron_lib.plugins import directory
from neutron_lib.plugins.ml2 import api
from oslo_config import cfg
from oslo_log import log

LOG = log.getLogger(__name__)
cfg.CONF.register_opts([cfg.StrOpt("wallaby", default="")], "labagent")

SETTLE = 0.3
"""Seconds between a change and the sync: the transaction has ended by then, and many changes cause one sync."""

EVERY = 60
"""Seconds between syncs without a change; real agents resync after a lost message."""

ROUTER_RESOURCES = (resources.ROUTER, resources.ROUTER_INTERFACE, resources.ROUTER_GATEWAY, resources.FLOATING_IP)


class LabAgent(api.MechanismDriver):
    """Replaces the DHCP, L3 and L2 agents: starts a sync when Neutron's objects change."""

    def initialize(self):
        self.dhcp, self.l3 = Agents(_sync_dhcp), Agents(_sync_l3)
        # A child process serves the API. All changes happen there, so the agents must run there.
        registry.subscribe(_stop_journal, resources.PROCESS, events.BEFORE_SPAWN)
        registry.subscribe(self._start, resources.PROCESS, events.AFTER_INIT)
        for resource in ROUTER_RESOURCES:
            for moment in (events.AFTER_CREATE, events.AFTER_UPDATE):
                registry.subscribe(self._router_changed, resource, moment)

    def _start(self, *args, **kwargs):
        _restart_journal()
        if cfg.CONF.labagent.wallaby and _driver():
            _start_maintenance(pathlib.Path(cfg.CONF.labagent.wallaby, "networking_mlnx"))
        self.dhcp.start()
        self.l3.start()

    def _router_changed(self, *args, **kwargs):
        self.l3.wake()

    def create_subnet_postcommit(self, context):
        self.dhcp.wake()

    def update_subnet_postcommit(self, context):
        self.dhcp.wake()

    def delete_subnet_postcommit(self, context):
        self.dhcp.wake()

    def create_port_postcommit(self, context):
        _wire(context)

    def update_port_postcommit(self, context):
        _wire(context)


class Agents:
    """All agents of one type: they sync when woken, and at an interval."""

    def __init__(self, sync):
        self._sync = sync
        self._woken = eventlet_event.Event()

    def start(self):
        """Start to sync in the background."""
        eventlet.spawn(self._run)

    def wake(self):
        """Sync soon."""
        if not self._woken.ready():
            self._woken.send()

    def _run(self):
        while True:
            with eventlet.Timeout(EVERY, False):
                self._woken.wait()
            eventlet.sleep(SETTLE)
            self._woken = eventlet_event.Event()
            try:
                self._sync(nl_context.get_admin_context())
            except Exception:
                LOG.exception("labagent: %s failed; retried at the next change or after a minute", self._sync.__name__)


def _driver():
    """Return networking-mlnx's SDN driver; None if it is not configured or does not synchronise."""
    drivers = directory.get_plugin().mechanism_manager.mech_drivers
    driver = drivers["mlnx_sdn_assist"].obj if "mlnx_sdn_assist" in drivers else None
    return driver if hasattr(driver, "journal") else None


def _stop_journal(*args, **kwargs):
    """Stop the journal's timers in the parent before the fork: only the child sends from then on."""
    driver = _driver()
    if driver:
        with driver.journal.lock:
            driver.journal._timer.cancel()
        if cfg.CONF.labagent.wallaby:
            driver._maintenance_thread.timer.stop()


def _restart_journal():
    """Start new threads with new locks in the child, and process the existing rows at once. The copies stay asleep."""
    driver = _driver()
    if driver:
        journal = driver.journal
        journal.copies = (journal.lock, journal.event, journal._timer)
        journal.lock, journal.event = threading.Lock(), threading.Event()
        journal.start_sync_thread()
        journal._start_sync_timer()
        journal.event.set()


def _start_maintenance(package):
    """Start the maintenance of another release of networking-mlnx, as its SDN driver does.

    Its modules get their own release's functions for the database; the tables are the same.
    """
    db, cleanup, maintenance = (
        _load(package / name) for name in ("db/db.py", "journal/cleanup.py", "journal/maintenance.py")
    )
    cleanup.db = maintenance.db = db
    thread, rows = maintenance.MaintenanceThread(), cleanup.JournalCleanup()
    thread.register_operation(rows.delete_completed_rows)
    thread.register_operation(rows.cleanup_processing_rows)
    thread.start()


def _load(file):
    spec = importlib.util.spec_from_file_location(f"wallaby_{file.stem}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _wire(context):
    """Report a port that another driver has bound as wired, as the L2 agent of its host does."""
    bound = context.vif_type not in (pb.VIF_TYPE_UNBOUND, pb.VIF_TYPE_BINDING_FAILED)
    if context.host and bound and context.current["status"] != n.PORT_STATUS_ACTIVE:
        eventlet.spawn_after(SETTLE, _up, context.current["id"])


def _up(port_id):
    try:
        context = nl_context.get_admin_context()
        for entity in (provisioning_blocks.DHCP_ENTITY, provisioning_blocks.L2_AGENT_ENTITY):
            provisioning_blocks.provisioning_complete(context, port_id, resources.PORT, entity)
    except Exception:
        LOG.exception("labagent: port %s stays down", port_id)


def _hosts(context, agent_type):
    agents = directory.get_plugin().get_agents(context, filters={"agent_type": [agent_type]})
    return sorted(agent["host"] for agent in agents if agent["admin_state_up"] and agent["alive"])


def _sync_dhcp(context):
    rpc = dhcp_rpc.DhcpRpcCallback()
    for host in _hosts(context, n.AGENT_TYPE_DHCP):
        for network in rpc.get_active_networks_info(context, host=host):
            _serve(context, rpc, host, network)


def _serve(context, rpc, host, network):
    """Sync one agent's DHCP port on one network: an address on each subnet with DHCP, or no port without one."""
    device = utils.get_dhcp_agent_device_id(network["id"], host)
    own = next((port for port in network["ports"] if port["device_id"] == device), None)
    wanted = {subnet["id"] for subnet in network["subnets"]}
    if not wanted:
        if own:
            rpc.release_dhcp_port(context, host=host, network_id=network["id"], device_id=device)
        return
    have = [ip for ip in own["fixed_ips"] if ip["subnet_id"] in wanted] if own else []
    missing = wanted - {ip["subnet_id"] for ip in have}
    body = {
        "network_id": network["id"],
        "fixed_ips": have + [{"subnet_id": subnet} for subnet in sorted(missing)],
        "device_id": device,
    }
    if own is None:
        new = {**body, "name": "", "admin_state_up": True, "tenant_id": network["project_id"]}
        rpc.create_dhcp_port(context, host=host, port={"port": new})
    elif missing or len(have) < len(own["fixed_ips"]):
        rpc.update_dhcp_port(context, host=host, port_id=own["id"], port={"port": body})


def _sync_l3(context):
    rpc = l3_rpc.L3RpcCallback()
    hosts = _hosts(context, n.AGENT_TYPE_L3)
    for host in hosts:
        for router in rpc.sync_routers(context, host=host, router_ids=rpc.get_router_ids(context, host)):
            if router.get("ha"):
                _elect(context, rpc, router["id"], host)
            addresses = router.get(n.FLOATINGIP_KEY, [])
            rpc.update_floatingip_statuses(context, router["id"], {ip["id"]: _status(ip) for ip in addresses})


def _elect(context, rpc, router_id, host):
    """Make the first of the router's hosts active, as Keepalived's election would."""
    agents = rpc.l3plugin.get_l3_agents_hosting_routers(context, [router_id])
    first = min(agent["host"] for agent in agents)
    rpc.update_ha_routers_states(context, host=host, states={router_id: "active" if host == first else "standby"})


def _status(floating_ip):
    return n.FLOATINGIP_STATUS_ACTIVE if floating_ip.get("fixed_ip_address") else n.FLOATINGIP_STATUS_DOWN
