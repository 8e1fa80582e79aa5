"""What a determinant costs: multiplications counted, seconds measured, and how both grow."""

import math
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor


class _Counted:
    """A number that counts the multiplications and divisions it takes part in."""

    total = 0

    def __init__(self, value: float) -> None:
        self.value = value

    def __mul__(self, other: "_Counted") -> "_Counted":
        _Counted.total += 1
        return _Counted(self.value * other.value)

    def __truediv__(self, other: "_Counted") -> "_Counted":
        _Counted.total += 1
        return _Counted(self.value / other.value)

    def __sub__(self, other: "_Counted") -> "_Counted":
        return _Counted(self.value - other.value)


def determinant_by_elimination(matrix: Tensor) -> tuple[float, int]:
    """det of a general matrix by Gaussian elimination with row exchanges, and what it cost.

    Every number counts the multiplications and divisions that it takes part in:
    (d³ − d)/3 for the elimination, d more for the product of the pivots.

    Args:
        matrix: (d, d).

    Returns:
        The determinant, and the number of multiplications and divisions.

    Raises:
        ValueError: the matrix is not square.

    Example:
        >>> determinant_by_elimination(torch.tensor([[0.0, 2.0], [3.0, 4.0]]))
        (-6.0, 4)
    """
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"expected a square matrix, got shape {tuple(matrix.shape)}")
    rows = [[_Counted(value) for value in row] for row in matrix.tolist()]
    _Counted.total, sign = 0, 1.0
    for k in range(len(rows)):
        pivot = max(range(k, len(rows)), key=lambda i: abs(rows[i][k].value))
        if rows[pivot][k].value == 0:
            return 0.0, _Counted.total
        if pivot != k:
            rows[k], rows[pivot], sign = rows[pivot], rows[k], -sign
        for row in rows[k + 1 :]:
            factor = row[k] / rows[k][k]
            for j in range(k + 1, len(row)):
                row[j] = row[j] - factor * rows[k][j]
    return _product(sign, [rows[k][k] for k in range(len(rows))])


def determinant_of_triangle(matrix: Tensor) -> tuple[float, int]:
    """det of a triangular matrix, the product of its diagonal, and what it cost: d multiplications.

    Args:
        matrix: (d, d); only the diagonal is read.

    Example:
        >>> determinant_of_triangle(torch.tensor([[2.0, 0.0], [7.0, 5.0]]))
        (10.0, 2)
    """
    _Counted.total = 0
    return _product(1.0, [_Counted(value) for value in matrix.diagonal().tolist()])


def _product(start: float, factors: Sequence[_Counted]) -> tuple[float, int]:
    result = _Counted(start)
    for factor in factors:
        result = result * factor
    return result.value, _Counted.total


def processor_seconds(call: Callable[[], object], repeats: int = 5) -> float:
    """The shortest of several timings of ``call`` on one thread, after one that is not counted.

    The time is the thread's own on the processor, so that other programs disturb it little.
    """
    threads, best = torch.get_num_threads(), math.inf
    torch.set_num_threads(1)
    try:
        call()
        for _ in range(repeats):
            started = time.thread_time()
            call()
            best = min(best, time.thread_time() - started)
    finally:
        torch.set_num_threads(threads)
    return best


def growth_exponent(sizes: Sequence[int], costs: Sequence[float]) -> float:
    """The slope of log cost over log size, by least squares: 1 is linear growth, 3 is cubic.

    Raises:
        ValueError: fewer than two sizes, or a cost that is not positive.

    Example:
        >>> round(growth_exponent([1, 2, 4], [5, 40, 320]), 6)
        3.0
    """
    if len(sizes) < 2 or len(sizes) != len(costs) or min(costs) <= 0:
        raise ValueError("growth needs at least two sizes, and a positive cost for each")
    x, y = (torch.tensor(values, dtype=torch.float64).log() for values in (sizes, costs))
    x, y = x - x.mean(), y - y.mean()
    return float((x * y).sum() / x.square().sum())
