"""`python -m probav.cli`."""

import sys

from probav.cli import main

sys.exit(main())
