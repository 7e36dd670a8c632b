"""What the steps of the guide's rack promise. There is no other list: it follows from the state."""

import hashlib
import json

import yaml

from drift.expected import Rack, placed
from drift.state import State
from onhost import shipping
from onhost.undercloud.pcie import pcie_files
from rack import tripleo
from rack.plan import Plan
from rack.tripleo.documents import HOME, documents
from tests.components.conftest import SDN_TOKEN, SECRETS, Recorder


def test_every_document_is_promised_with_its_mode_and_owner(promised: Rack, plan: Plan) -> None:
    files = promised.hosts[promised.undercloud].files
    shipped = [document for document in documents(plan) if document.path != "deploy.sh"]
    assert len(shipped) > 10
    for document in shipped:
        file = files[f"{HOME}/{document.path}"]
        assert (file.mode, file.owner, file.secret) == (f"{document.mode:04o}", "stack", bool(document.secret))


def test_every_file_step_is_promised(promised: Rack, rack: Recorder) -> None:
    """A step that ships a file in another form than the others would be overlooked."""
    steps = {name for name, r in rack.of("command:remote:Command").items() if "/dev/stdin" in r.inputs["create"]}
    found = {file.step for host in promised.hosts.values() for file in host.files.values()}
    assert steps - {"undercloud-prepare"} <= found, "`undercloud-prepare` writes a sudoers file from its own text"


def test_every_shipped_program_is_promised(promised: Rack) -> None:
    files = promised.hosts[promised.undercloud].files
    for path, name in (("/home/stack/wave.py", "wave"), ("/home/stack/nodes.py", "nodes"), ("/opt/rack-job", "job")):
        assert files[path].content == shipping.program(f"undercloud.{name}")


def test_the_licence_is_a_secret_file_on_ufm_s_host(promised: Rack) -> None:
    file = promised.hosts[promised.ufm_host].files["/home/ubuntu/UFM_lic/mlnx-ufm.lic"]
    assert (file.content, file.mode, file.secret, file.step) == (SECRETS["license"], "0600", True, "ufm-license")


def test_ufm_s_image_and_address_come_from_its_steps(promised: Rack, plan: Plan) -> None:
    host = plan.site.ufm.host
    assert host
    assert promised.ufm
    assert (promised.ufm.image, promised.ufm.interface) == (host.image, host.fabric_interface)
    assert promised.ufm.address == str(host.fabric_address)


def test_a_wave_promises_the_adapter_of_its_nodes_and_the_unit_of_computes(promised: Rack, plan: Plan) -> None:
    assert list(promised.nodes) == [host.name for host in plan.hosts]
    compute, controller = promised.nodes["compute-2"], promised.nodes["controller-1"]
    assert compute.order
    assert controller.order
    assert compute.wave == "firmware-computes-2"
    assert {path: file.content for path, file in compute.files.items()} == pcie_files(
        compute.order.device, compute.order.read_request
    )
    assert compute.units == {"rack-pcie": "firmware-computes-2"}
    assert controller.units == {}
    assert compute.host_key.startswith("[127.0.24.22]:")


def test_controllers_promise_the_options_of_the_deployment_s_documents(promised: Rack, plan: Plan) -> None:
    options = promised.nodes["controller-3"].options
    assert options["sdn/physical_networks"] == plan.site.networks.tenant.physnet
    assert options["sdn/url"] == yaml.safe_load(tripleo.ml2_sdn(plan, ""))["parameter_defaults"]["MlnxSDNUrl"]
    assert SDN_TOKEN not in str(options), "the token is compared by nobody: it is in the document, by digest"
    assert promised.nodes["compute-1"].options == {}


def test_the_deployment_is_known_by_the_key_of_its_job(promised: Rack, state: State) -> None:
    job = list(state.steps["overcloud-deploy"].job)
    assert promised.deployment == hashlib.sha256(json.dumps(job).encode() + b"\0").hexdigest()


def test_ironic_has_the_controllers_of_the_inventory(promised: Rack, plan: Plan) -> None:
    assert promised.registered == {node.name: str(node.ipmi.address) for node in plan.site.nodes}


def test_a_file_is_promised_with_the_defaults_of_install() -> None:
    (file,) = placed("set -eu\ninstall -m 640 /dev/stdin '/etc/a b'\nupdate-ca-trust", "text", "step", False)
    assert (file.path, file.mode, file.owner, file.group) == ("/etc/a b", "0640", "root", "root")
