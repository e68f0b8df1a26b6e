"""The kernel files beside this file are imported by name."""

import sys
from pathlib import Path

# pytest's importlib mode puts no test folder on the path
sys.path.insert(0, str(Path(__file__).parent))
