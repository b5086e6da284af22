"""``python -m terrascope_nb`` is the command ``terrascope-nb``."""

from __future__ import annotations

import sys

from terrascope_nb.cli import main

if __name__ == "__main__":
    sys.exit(main())
