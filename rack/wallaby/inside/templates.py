"""The whole overcloud by the real Heat engine, without database, message bus or Keystone (O1, O3, O4).

The engine resolves the rendered templates with the environment files in the order of the deploy command and reports
every declared parameter. It does not validate parameters of nested stacks or of one role, and does not report unused or
missing parameters. This module does, with Heat's own `Parameter` and the parameters that the engine reports.
"""

import inspect
import re
from unittest import mock

import yaml
from heat.common import context, messaging
from heat.engine import parameters, resource, resources, service
from heat.objects import service as services
from heatclient.common import template_utils
from oslo_config import cfg
from request import load, suggestion
from tripleo_common import constants

LARGE = 50 * 1024 * 1024
cfg.CONF([], project="heat", default_config_files=[])
for option, value in (
    ("max_nested_stack_depth", 10),
    ("max_json_body_size", LARGE),
    ("max_resources_per_stack", -1),
    ("max_template_size", LARGE),
):
    cfg.CONF.set_override(option, value)
messaging.setup("fake://", optional=True)
resources.initialise()
services.Service.active_service_count = classmethod(lambda cls, context: 1)
resource.Resource.is_service_available = classmethod(lambda cls, context: (True, None))

UNUSED_UPSTREAM = frozenset(("GnocchiRbdPoolName",))
"""Parameters that upstream's own disable-telemetry.yaml sets and no template uses."""
RUN_TIME = frozenset(
    ("CloudNames", "ControlPlaneIP", "ControlVirtualIP", "CtlplaneNetworkCidrs", "NetVipMap", "RootStackName",
     "StackAction", "SwiftHashSuffix", "servers")
)  # fmt: skip
"""Parameters that no file sets: TripleO's parent templates and its client set them."""
ROLES = "roles_data_ib_vm.yaml"
IMAGE = re.compile(r"Container.*Image$")


def run(request):
    """Check the environment files; `images` are the image parameters, `declared` the number of parameters."""
    environments = [str(request.registry), *request["environments"]]
    names = dict(zip(request["environments"], request["names"], strict=True))
    findings = list(_registry(request))
    try:
        resolved, given = _resolve(request.rendered, environments)
    except Exception as error:
        return {"findings": [*findings, ["deploy.sh", f"{type(error).__name__}: {str(error)[:600]}"]]}
    if "Error" in resolved:
        return {"findings": [*findings, ["deploy.sh", f"Heat: {resolved['Error'][:600]}"]]}
    declared = {}
    _declared(resolved, "", declared)
    values = given.get("parameter_defaults", {})
    texts = [*_unused_or_mistyped(declared, values), *_of_a_role(declared, values), *_missing(declared, values)]
    findings += [[_where(name, environments, names), f"parameter_defaults.{text}"] for name, text in texts]
    images = sorted(name for name in declared if IMAGE.match(name) and name != "ContainerNovaImage")
    return {"findings": findings, "images": images, "declared": len(declared)}


def _resolve(rendered, environments):
    files, template = template_utils.get_template_contents(template_file=str(rendered / "overcloud.yaml"))
    more, given = template_utils.process_multiple_environments_and_files(env_paths=environments)
    who = context.RequestContext(
        tenant="t", user_id="u", username="u", password="-", is_admin=False, auth_token="-", trust_id=None, roles=[],
        auth_url="http://127.0.0.1:1/v3", overwrite=True,
    )  # fmt: skip
    engine = object.__new__(service.EngineService)
    engine.resource_enforcer = mock.MagicMock()
    validate = inspect.unwrap(service.EngineService.validate_template)
    return validate(engine, who, template, params=given, files={**files, **more}, show_nested=True), given


def _declared(stack, path, into):
    for name, parameter in stack.get("Parameters", {}).items():
        into.setdefault(name, []).append((path, parameter))
    for child, nested in (stack.get("NestedParameters") or {}).items():
        _declared(nested, f"{path}/{child}", into)


def _mistyped(name, declarations, value):
    for _, parameter in declarations:
        try:
            parameters.Parameter(name, parameters.Schema(parameter["Type"]), value=value).validate()
        except Exception as error:
            return f"found {value!r}; write a {parameter['Type']} ({error})"
    return None


def _unused_or_mistyped(declared, values):
    for name, value in sorted(values.items()):
        if name not in declared:
            if name not in UNUSED_UPSTREAM:
                yield name, f"{name}: no service of these roles declares it; {suggestion(name, declared)}"
        else:
            wrong = _mistyped(name, declared[name], value)
            if wrong:
                yield name, f"{name}: {wrong}"


def _of_a_role(declared, values):
    """Yield keys of `<Role>Parameters` that no service of the role declares as role-specific, and invalid values."""
    for group, mine in values.items():
        if not group.endswith("Parameters") or not isinstance(mine, dict):
            continue
        chain = f"/{group.removesuffix('Parameters')}ServiceChain"
        own = {name: [d for d in where if chain in d[0]] for name, where in declared.items()}
        own = {n: d for n, d in own.items() if any("role_specific" in (p.get("Tags") or []) for _, p in d)}
        for name, value in mine.items():
            if name not in own:
                fault = "no service of this role declares it as role-specific"
                yield group, f"{group}.{name}: {fault}; {suggestion(name, own)}"
            elif wrong := _mistyped(name, own[name], value):
                yield group, f"{group}.{name}: {wrong}"


def _missing(declared, values):
    known = {*constants.PASSWORD_PARAMETER_NAMES, *RUN_TIME}
    for name, where in sorted(declared.items()):
        needed = any("Default" not in p and "Value" not in p for _, p in where)
        if needed and name not in known and not IMAGE.match(name):
            yield name, f"{name}: missing; write a value, as it has no default"


def _registry(request):
    """Yield resources that TripleO does not have.

    Heat ignores a misspelt key, and does not name the file of a misspelt value.
    """
    known = _load(request.registry).get("resource_registry", {})
    for file, path in zip(request["environments"], request["names"], strict=True):
        for name, target in (_load(file).get("resource_registry") or {}).items():
            yield from _unknown(path, f"resource_registry.{name}", name, known)
            yield from _unknown(path, f"resource_registry.{name}: {target}", target, known)
    for role in request.load(ROLES):
        for name in role.get("ServicesDefault", []):
            yield from _unknown(request.path_in_home(ROLES), f"{role.get('name')}.ServicesDefault: {name}", name, known)


def _unknown(file, path, name, known):
    if str(name).startswith("OS::TripleO::") and name not in known:
        yield [file, f"{path}: TripleO has no such resource; {suggestion(name, known)}"]


def _where(name, environments, names):
    """Return the last file that sets the parameter."""
    for path in reversed(environments):
        if name in (_load(path).get("parameter_defaults") or {}):
            return names.get(path, path)
    return "deploy.sh"


def _load(path):
    try:
        return load(path)
    except (OSError, yaml.YAMLError):  # Heat's client reports it, with more detail
        return {}
