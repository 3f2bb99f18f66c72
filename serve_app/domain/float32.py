"""Float32 numbers as clients read them: the fewest digits that give the same float32 again."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Powers of ten that float64 has exactly. An integer below 2**53 over one of them is rounded once, and so is what its
# decimal digits stand for.
POWERS = np.array([float(10**power) for power in range(23)])
DIGITS = (6, 7, 8, 9)  # float32 keeps any six, and nine tell any two of them apart
NEAR_A_TIE = 1e-5  # of a last digit; the error of the product is far below it
FEW = 64  # numbers that are faster one by one


def shortest(number: float) -> float:
    """The number with the fewest digits that is the same float32."""
    return float(str(np.float32(number)))


def shortest_each(numbers: ArrayLike) -> NDArray[np.float64]:
    """`shortest` of each number, for many at once.

    numbers: of any shape, taken as float32. Returns float64 of the same shape.
    """
    given = np.asarray(numbers, dtype=np.float32)
    flat = given.ravel()
    found = np.full(flat.shape, np.nan) if flat.size <= FEW else _rounded(flat)
    left = np.isnan(found).nonzero()[0]
    found[left] = [shortest(number) for number in flat[left]]
    return found.reshape(given.shape)


@np.errstate(divide="ignore", over="ignore")  # of 0, and of the largest numbers
def _rounded(given: NDArray[np.float32]) -> NDArray[np.float64]:
    """The shortest form of each number where it is sure that rounding finds it, else NaN. given: (numbers,)."""
    exact = given.astype(np.float64)
    found = np.where(given == 0, exact, np.nan)
    # Neighbours of a power of two are not equally far, so that its shortest form need not be the nearest.
    left = (np.isfinite(exact) & (given != 0) & (np.abs(np.frexp(exact)[0]) != 0.5)).nonzero()[0]
    exponents = np.floor(np.log10(np.abs(exact[left]))).astype(np.int64)
    for digits in DIGITS:
        decimals = digits - 1 - exponents
        possible = np.abs(decimals) < POWERS.size
        left, exponents, decimals = left[possible], exponents[possible], decimals[possible]
        number, scale = exact[left], POWERS[np.abs(decimals)]
        scaled = np.where(decimals >= 0, number * scale, number / scale)
        whole = np.rint(scaled)
        rounded = np.where(decimals >= 0, whole / scale, whole * scale)
        sure = np.abs(np.abs(scaled - whole) - 0.5) > NEAR_A_TIE
        fits = rounded.astype(np.float32) == given[left]
        found[left[sure & fits]] = rounded[sure & fits]
        left, exponents = left[sure & ~fits], exponents[sure & ~fits]
    return found
