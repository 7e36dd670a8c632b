"""Roles and networks render TripleO's templates (O1), by its own tools/process-templates.py."""

import subprocess
import sys

ROLES, NETWORKS = "roles_data_ib_vm.yaml", "network_data_ib_vm.yaml"


def run(request):
    """Leaves the rendered templates in `rendered`."""
    templates, out = request["templates"], request.rendered
    words = ["-p", templates, "-o", out, "-r", request.file(ROLES), "-n", request.file(NETWORKS)]
    command = [sys.executable, "tools/process-templates.py", *words]
    done = subprocess.run(command, cwd=templates, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-3:]
        return {"findings": [[request.shown(NETWORKS), f"process-templates.py, with {ROLES}: {' '.join(last)}"]]}
    return {"findings": []}
