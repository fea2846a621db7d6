"""`python -m mappers.serial.simulator`"""

import sys

from mappers.serial.simulator import main

sys.exit(main())
