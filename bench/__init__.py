"""The product beside its peers, in one run: machines in ``restore``, the logbook in ``logbook``."""

import sys
from pathlib import Path

# The servers that the benches measure are those of the tests.
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
