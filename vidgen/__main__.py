"""`python -m vidgen`, which is how one process starts another."""

import sys

from vidgen.cli import main

if __name__ == "__main__":
    sys.exit(main())
