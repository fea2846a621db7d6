"""`python -m twinhub` is `twinhub`."""

import sys

from twinhub.cli import main

sys.exit(main())
