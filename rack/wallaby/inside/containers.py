"""Container preparation (C3) by tripleo-common, without a registry, and the keys that it ignores.

Every image parameter that the Heat engine reports (`needed_images`) must be among the prepared images.
"""

import re
from pathlib import Path

from request import load, suggestion
from tripleo_common.image import kolla_builder

ENTRY = frozenset(
    ("set", "tag_from_label", "push_destination", "pull_source", "includes", "excludes", "modify_role", "modify_vars",
     "modify_only_with_labels", "modify_only_with_source", "modify_append_tag", "multi_arch")
)  # fmt: skip
FILE = "containers-prepare-parameter-ib-vm.yaml"


def run(request):
    """Check the entries of ContainerImagePrepare; `images` are the prepared images, parameter → image."""
    path = request.path_in_home(FILE)
    written = request.load(FILE)["parameter_defaults"]["ContainerImagePrepare"]
    environment = {"parameter_defaults": {}, "resource_registry": {}}
    for file in [request.registry, *request["environments"]]:
        document = load(file)
        for section, values in environment.items():
            values.update(document.get(section) or {})
    environment["parameter_defaults"].setdefault("LocalContainerRegistry", "192.168.24.1")
    roles = request.load("roles_data_ib_vm.yaml")
    texts = [text for i, entry in enumerate(written) for text in _keys(f"ContainerImagePrepare[{i}]", entry)]
    try:
        images = kolla_builder.container_images_prepare_multi(environment, roles, dry_run=True)
    except Exception as error:
        return {"findings": [[path, t] for t in [*texts, f"{type(error).__name__}: {error}"]], "images": {}}
    missing = sorted(set(request.get("needed_images", ())) - set(images))
    if missing:
        names = ", ".join(missing)
        texts.append(f"no entry prepares {names}; write the image in `includes`, or remove it from `excludes`")
    return {"findings": [[path, text] for text in texts], "images": images}


def _keys(path, entry):
    template = Path(kolla_builder.DEFAULT_TEMPLATE_FILE).read_text()
    known = {*re.findall(r"\{\{\s*(\w+)", template), *kolla_builder.CONTAINER_IMAGES_DEFAULTS, "tag", "neutron_driver"}
    yield from (f"{path}.{key}: unknown key; {suggestion(key, ENTRY)}" for key in set(entry) - ENTRY)
    unknown = set(entry.get("set", {})) - known
    yield from (f"{path}.set.{key}: unknown key; {suggestion(key, known)}" for key in unknown)
