"""What a contender is given and what it gives back."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serve_app.engine.cores import usable_cores

THREADS = usable_cores()
# Ids of the tokens for yes and no in Qwen's vocabulary.
YES, NO = 9_693, 2_152

Ids = list[NDArray[np.int64]]
# float32 (sequences, width): a logit each, or a vector each.
Rows = NDArray[np.float32]
# What several sequences begin with, and each one's own tokens behind it.
Begun = tuple[NDArray[np.int64], Ids]
# A query and its documents.
Request = tuple[str, list[str]]

# Some work to its answer: what is timed.
Run = Callable[[Any], Any]
# A batch size to a run in batches of it; None where the contender cuts its own.
Start = Callable[[int | None], Run]
