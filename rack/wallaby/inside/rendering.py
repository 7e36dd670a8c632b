"""TripleO's templates, rendered with roles and networks (O1) by TripleO's tools/process-templates.py."""

import subprocess
import sys

ROLES, NETWORKS = "roles_data_ib_vm.yaml", "network_data_ib_vm.yaml"


def run(request):
    """Render the templates into the folder `rendered`."""
    templates, out = request["templates"], request.rendered
    words = ["-p", templates, "-o", out, "-r", request.file(ROLES), "-n", request.file(NETWORKS)]
    command = [sys.executable, "tools/process-templates.py", *words]
    done = subprocess.run(command, cwd=templates, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-3:]
        return {"findings": [[request.path_in_home(NETWORKS), f"process-templates.py, with {ROLES}: {' '.join(last)}"]]}
    return {"findings": []}
