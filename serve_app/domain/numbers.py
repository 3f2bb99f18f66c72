"""Numbers as they are written down."""

import numpy as np


def shortest_float(score: float) -> float:
    """The number with the fewest digits that is the same float32."""
    return float(str(np.float32(score)))
