"""What the service does under load, and how fast it is. Not installed: imported from the repository's root.

`load` sends scenarios of load and compares with targets, `bench` measures beside a reference, `faults` strikes the
parts of a server, `soak` loads one for hours, `server` starts what is loaded and ends it, `corpus` has the texts,
`fake_cuda` is a GPU of tensors without numbers. `soak` imports from `faults` and `bench`, these from `load`, all from
`server`, `corpus` and `fake_cuda`; no other way.
"""

from pathlib import Path

ROOT = Path(__file__).parents[1]
# Where runs leave their files; ignored by git.
REPORTS = Path(__file__).parent / "reports"
