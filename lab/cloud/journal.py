"""Choose the maintenance of networking-mlnx's journal: `python -m lab.cloud.journal wallaby | 21.0.0`.

The choice outlives the overcloud and the lab. See `lab.cloud.maintenance` for what the variants do.
"""

import argparse
import sys
from collections.abc import Sequence

from lab.cloud import deployment, installation, maintenance
from lab.cloud.maintenance import Maintenance
from lab.process import LabError, Say


def choose(wanted: Maintenance, say: Say) -> None:
    """Record the choice; restart neutron with it if an overcloud runs. The first `wallaby` downloads 18.0.0.

    Raises:
        LabError: the package cannot be downloaded, or neutron does not become healthy.
    """
    if wanted.variant == "wallaby":
        installation.install_wallaby()
    maintenance.choose(wanted)
    deployment.reconfigure_neutron(say)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    default = Maintenance()
    parser = argparse.ArgumentParser(prog="python -m lab.cloud.journal", description=__doc__)
    parser.add_argument("variant", choices=("21.0.0", "wallaby"))
    parser.add_argument("--interval", type=int, default=default.interval, help="[sdn] maintenance_interval, seconds")
    parser.add_argument("--timeout", type=int, default=default.timeout, help="[sdn] processing_timeout, seconds")
    given = parser.parse_args(arguments)
    try:
        choose(Maintenance(given.variant, given.interval, given.timeout), print)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
