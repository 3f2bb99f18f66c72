import sys
from pathlib import Path

# loadtest/ is a folder of scripts, not a package that is installed.
sys.path.append(str(Path(__file__).parents[2] / "loadtest"))
