"""Makes what the two examples share importable: the cable, the stage and its processes are in the boiler plant's."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "boiler-plant"))
