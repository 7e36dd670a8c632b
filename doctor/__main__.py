"""`python -m doctor --stack NAME [--json]`: the same as `python -m rack doctor`."""

import sys

from rack.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["doctor", *sys.argv[1:]]))
