"""How long the fuzzers of wire, codec and archive run.

They are seeded: each run tries the same. `SNAPBOOT_FUZZ=100 pytest -k "any or spoilt or garbage"`
tries a hundred times as much.
"""

import os
from typing import Final

TIMES: Final = int(os.environ.get("SNAPBOOT_FUZZ", "1"))
