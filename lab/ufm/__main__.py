"""UFM's process: `python -m lab.ufm serve FOLDER`. `make lab` starts it."""

import os
import sys
from pathlib import Path

from lab.ufm.server import serve

if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", folder]:
            os.umask(0o077)
            sys.exit(serve(Path(folder)))
        case _:
            sys.exit(__doc__)
