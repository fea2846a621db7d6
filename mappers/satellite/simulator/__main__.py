"""`python -m mappers.satellite.simulator`"""

import sys

from mappers.satellite.simulator import main

sys.exit(main())
