"""`python -m tinydl`: as the command `tinydl`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
