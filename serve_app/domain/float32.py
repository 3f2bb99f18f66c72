"""Float32 numbers as clients read them: the fewest digits that give the same float32 again."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Powers of ten that float64 has exactly. An integer below 2**53 over one of them is rounded once, and so is what its
# decimal digits stand for.
POWERS = np.array([float(10**power) for power in range(23)])
DIGITS = (6, 7, 8, 9)  # float32 keeps any six, and nine tell any two of them apart
NEAR_A_TIE = 1e-5  # of a last digit; the error of the product is far below it


def shortest(number: float) -> float:
    """The number with the fewest digits that is the same float32."""
    return float(str(np.float32(number)))


@np.errstate(divide="ignore", invalid="ignore", over="ignore")  # of 0, infinity and the largest numbers
def shortest_each(numbers: ArrayLike) -> NDArray[np.float64]:
    """`shortest` of each number, for many at once.

    numbers: of any shape, taken as float32. Returns float64 of the same shape.
    """
    given = np.asarray(numbers, dtype=np.float32)
    exact = given.astype(np.float64)
    exponents = np.floor(np.log10(np.abs(exact)))
    # Neighbours of a power of two are not equally far, so that rounding alone does not find its shortest form.
    open_ = np.isfinite(exponents) & (np.abs(np.frexp(exact)[0]) != 0.5)
    found = np.full(given.shape, np.nan)
    for digits in DIGITS:
        decimals = np.where(open_, digits - 1 - exponents, 0).astype(np.int64)
        open_ &= np.abs(decimals) < POWERS.size
        scale = POWERS[np.minimum(np.abs(decimals), POWERS.size - 1)]
        scaled = np.where(decimals >= 0, exact * scale, exact / scale)
        whole = np.rint(scaled)
        open_ &= np.abs(np.abs(scaled - whole) - 0.5) > NEAR_A_TIE
        rounded = np.where(decimals >= 0, whole / scale, whole * scale)
        fits = open_ & (rounded.astype(np.float32) == given)
        found[fits] = rounded[fits]
        open_ &= ~fits
    odd = np.isnan(found)
    found[odd] = [shortest(number) for number in given[odd]]
    return found
