"""Winograd's changes of basis, compiled: each reads and writes memory once, and has no products with zero.

A tile is a grid of 6×6 places, each a run of LANES channels, so that the compiler does the same sum for a
vector of channels. A change of basis goes along the columns of the grid and then along its rows. Written
with matrices, the same would be a product with a 36×36 matrix and several copies of everything.

Images have shape (n, height, width, channels); planes, which are the same place of all tiles, have shape
(36, tiles, channels), tiles in the order of image, row and column. Each function does the parts lo … hi−1
of its work, which may run at the same time: rows of tiles, or whatever else its description names.
"""

import numpy as np
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 32
_DOWN, _RIGHT = 6 * LANES, LANES  # from a place of the grid to its neighbours
_SPARE = 36 * LANES  # one more place, behind the grid
GROUP = 64  # channels that one part of ``add_tiles`` owns
# Sums of products may be rounded once instead of twice, as in torch's own kernels.
_compiled = njit(cache=True, nogil=True, fastmath={"contract"})
# In place, where steps and lengths are known, so that the compiler can use vectors.
_inlined = njit(forceinline=True, fastmath={"contract"})


@intrinsic
def _move(typing, target, at, source, start, count):
    """target[at + c] = source[start + c] for c < count, in arrays without gaps, read as if they were flat.

    A loop would first find out whether the arrays overlap, which takes longer than to move 32 numbers.
    """

    def generate(context, builder, signature, given):
        to, place, of, begin, length = given
        to = context.make_array(signature.args[0])(context, builder, to)
        of = context.make_array(signature.args[2])(context, builder, of)
        pointers = builder.gep(to.data, [place]), builder.gep(of.data, [begin])
        size = context.get_abi_sizeof(context.get_data_type(signature.args[0].dtype))
        cgutils.raw_memcpy(builder, *pointers, length, size)
        return context.get_dummy_value()

    return types.void(target, types.intp, source, types.intp, types.intp), generate


@_inlined
def _copy(target, at, source, start, count):  # pragma: no cover
    """``_move``, which is two instructions if its length is known."""
    if count == LANES:
        _move(target, at, source, start, LANES)
    else:
        _move(target, at, source, start, count)


@_inlined
def _input_basis(d, start, step):  # pragma: no cover
    """Six places become Bᵀ d."""
    number = d.dtype.type
    two, four, five = number(2), number(4), number(5)
    for c in range(start, start + LANES):
        d0, d1, d2 = d[c], d[c + step], d[c + 2 * step]
        d3, d4, d5 = d[c + 3 * step], d[c + 4 * step], d[c + 5 * step]
        near, nearer = d4 - four * d2, d4 - d2
        far, farther = d3 - four * d1, two * (d3 - d1)
        d[c] = four * d0 - five * d2 + d4
        d[c + step], d[c + 2 * step] = near + far, near - far
        d[c + 3 * step], d[c + 4 * step] = nearer + farther, nearer - farther
        d[c + 5 * step] = four * d1 - five * d3 + d5


@_inlined
def _input_basis_transposed(d, start, step):  # pragma: no cover
    """Six places become B d."""
    number = d.dtype.type
    two, four, five = number(2), number(4), number(5)
    for c in range(start, start + LANES):
        d0, d1, d2 = d[c], d[c + step], d[c + 2 * step]
        d3, d4, d5 = d[c + 3 * step], d[c + 4 * step], d[c + 5 * step]
        plus, minus, plus2, minus2 = d1 + d2, d1 - d2, d3 + d4, two * (d3 - d4)
        d[c] = four * d0
        d[c + step] = four * (d5 - minus) - minus2
        d[c + 2 * step] = -five * d0 - four * plus - plus2
        d[c + 3 * step] = minus + minus2 - five * d5
        d[c + 4 * step] = d0 + plus + plus2
        d[c + 5 * step] = d5


@_inlined
def _output_basis(d, start, step):  # pragma: no cover
    """Six places become the four of Aᵀ d."""
    number = d.dtype.type
    two, four, eight = number(2), number(4), number(8)
    for c in range(start, start + LANES):
        d1, d2, d3, d4 = d[c + step], d[c + 2 * step], d[c + 3 * step], d[c + 4 * step]
        plus, minus, plus2, minus2 = d1 + d2, d1 - d2, d3 + d4, d3 - d4
        d[c] = d[c] + plus + plus2
        d[c + step] = minus + two * minus2
        d[c + 2 * step] = plus + four * plus2
        d[c + 3 * step] = minus + eight * minus2 + d[c + 5 * step]


@_inlined
def _output_basis_transposed(d, start, step):  # pragma: no cover
    """Four places become the six of A d."""
    number = d.dtype.type
    two, four = number(2), number(4)
    for c in range(start, start + LANES):
        d0, d1, d2, d3 = d[c], d[c + step], d[c + 2 * step], d[c + 3 * step]
        even, odd = d0 + d2, d1 + d3
        even2, odd2 = d0 + four * d2, two * (d1 + four * d3)
        d[c + step], d[c + 2 * step] = even + odd, even - odd
        d[c + 3 * step], d[c + 4 * step] = even2 + odd2, even2 - odd2
        d[c + 5 * step] = d3


@_inlined
def _filter_basis(d, start, step):  # pragma: no cover
    """Three places become the six of G d."""
    number = d.dtype.type
    quarter, sixth = number(1 / 4), number(1 / 6)
    twelfth, twenty_fourth = number(1 / 12), number(1 / 24)
    for c in range(start, start + LANES):
        d0, d1, d2 = d[c], d[c + step], d[c + 2 * step]
        even, odd = -sixth * (d0 + d2), sixth * d1
        even2, odd2 = twenty_fourth * d0 + sixth * d2, twelfth * d1
        d[c] = quarter * d0
        d[c + step], d[c + 2 * step] = even - odd, even + odd
        d[c + 3 * step], d[c + 4 * step] = even2 + odd2, even2 - odd2
        d[c + 5 * step] = d2


@_inlined
def _filter_basis_transposed(d, start, step):  # pragma: no cover
    """Six places become the three of Gᵀ d."""
    number = d.dtype.type
    quarter, sixth = number(1 / 4), number(1 / 6)
    twelfth, twenty_fourth = number(1 / 12), number(1 / 24)
    for c in range(start, start + LANES):
        d1, d2, d3, d4 = d[c + step], d[c + 2 * step], d[c + 3 * step], d[c + 4 * step]
        plus, minus, plus2, minus2 = d1 + d2, d2 - d1, d3 + d4, d3 - d4
        d[c] = quarter * d[c] - sixth * plus + twenty_fourth * plus2
        d[c + step] = sixth * minus + twelfth * minus2
        d[c + 2 * step] = sixth * (plus2 - plus) + d[c + 5 * step]


@_inlined
def _both_ways(basis, d, columns, rows):  # pragma: no cover
    """Change the basis along so many columns of the grid, and then along so many of its rows."""
    for k in range(columns):
        basis(d, k * _RIGHT, _DOWN)
    for k in range(rows):
        basis(d, k * _DOWN, _RIGHT)


@_inlined
def _load(d, planes, tile, start, count):  # pragma: no cover
    _, tiles, channels = planes.shape
    for k in range(36):
        _copy(d, k * LANES, planes, (k * tiles + tile) * channels + start, count)


@_inlined
def _store(d, planes, tile, start, count):  # pragma: no cover
    _, tiles, channels = planes.shape
    for k in range(36):
        _copy(planes, (k * tiles + tile) * channels + start, d, k * LANES, count)


@_inlined
def _pixel(image, n, row, column):  # pragma: no cover
    """Where a pixel's channels begin."""
    _, height, width, channels = image.shape
    return ((n * height + row) * width + column) * channels


@_inlined
def _mirrored(i, size):  # pragma: no cover
    """Which of the pixels 0 … size−1 a reflection shows at i."""
    if i < 0:
        return -i
    return i if i < size else 2 * (size - 1) - i


@_compiled
def cut_tiles(image, planes, columns, pad, lo, hi):  # pragma: no cover
    """planes ← Bᵀ d B of the tiles d of 6×6 pixels, 4 apart, in the image with ``pad`` reflected pixels."""
    d = np.zeros(_SPARE + LANES, image.dtype)
    _, height, width, channels = image.shape
    rows = (height + 2 * pad - 2) // 4
    for part in range(lo, hi):
        n, row = part // rows, part % rows
        for column in range(columns):
            for start in range(0, channels, LANES):
                count = min(LANES, channels - start)
                for i in range(6):
                    y = _mirrored(4 * row + i - pad, height)
                    for j in range(6):
                        pixel = _pixel(image, n, y, _mirrored(4 * column + j - pad, width))
                        _copy(d, i * _DOWN + j * _RIGHT, image, pixel + start, count)
                _both_ways(_input_basis, d, 6, 6)
                _store(d, planes, part * columns + column, start, count)


@_compiled
def add_tiles(planes, image, columns, pad, lo, hi):  # pragma: no cover
    """image ← the sum of the tiles B d Bᵀ, each where it was cut: the transpose of ``cut_tiles``.

    A part is a group of channels of one image.
    """
    d = np.zeros(_SPARE + LANES, image.dtype)
    _, height, width, channels = image.shape
    rows = (height + 2 * pad - 2) // 4
    groups = (channels + GROUP - 1) // GROUP
    for part in range(lo, hi):
        n, first = part // groups, part % groups * GROUP
        last = min(first + GROUP, channels)
        image[n, :, :, first:last] = 0
        for place in range(rows * columns):
            row, column = place // columns, place % columns
            for start in range(first, last, LANES):
                count = min(LANES, last - start)
                _load(d, planes, n * rows * columns + place, start, count)
                _both_ways(_input_basis_transposed, d, 6, 6)
                for i in range(6):
                    y = _mirrored(4 * row + i - pad, height)
                    for j in range(6):
                        pixel = _pixel(image, n, y, _mirrored(4 * column + j - pad, width))
                        _copy(d, _SPARE, image, pixel + start, count)
                        for c in range(count):
                            d[_SPARE + c] += d[i * _DOWN + j * _RIGHT + c]
                        _copy(image, pixel + start, d, _SPARE, count)


@_compiled
def lay_tiles(planes, bias, image, columns, lo, hi):  # pragma: no cover
    """image ← Aᵀ d A + bias, tiles of 4×4 pixels side by side."""
    d = np.zeros(_SPARE + LANES, image.dtype)
    rows, channels = image.shape[1] // 4, image.shape[3]
    for part in range(lo, hi):
        n, row = part // rows, part % rows
        for column in range(columns):
            for start in range(0, channels, LANES):
                count = min(LANES, channels - start)
                _load(d, planes, part * columns + column, start, count)
                for c in range(count):
                    d[_DOWN + _RIGHT + c] += bias[start + c]  # which Aᵀ … A spreads to all pixels evenly
                _both_ways(_output_basis, d, 6, 4)
                for i in range(4):
                    for j in range(4):
                        pixel = _pixel(image, n, 4 * row + i, 4 * column + j)
                        _copy(image, pixel + start, d, i * _DOWN + j * _RIGHT, count)


@_compiled
def take_tiles(image, planes, columns, lo, hi):  # pragma: no cover
    """planes ← A d Aᵀ of the tiles d of 4×4 pixels: the transpose of ``lay_tiles``."""
    d = np.zeros(_SPARE + LANES, image.dtype)
    rows, channels = image.shape[1] // 4, image.shape[3]
    for part in range(lo, hi):
        n, row = part // rows, part % rows
        for column in range(columns):
            for start in range(0, channels, LANES):
                count = min(LANES, channels - start)
                for i in range(4):
                    for j in range(4):
                        pixel = _pixel(image, n, 4 * row + i, 4 * column + j)
                        _copy(d, i * _DOWN + j * _RIGHT, image, pixel + start, count)
                _both_ways(_output_basis_transposed, d, 4, 6)
                _store(d, planes, part * columns + column, start, count)


@_compiled
def widen_filters(weight, planes, lo, hi):  # pragma: no cover
    """planes ← G g Gᵀ of filters g, shape (outputs, channels, 9). A part is an output."""
    d = np.zeros(_SPARE + LANES, weight.dtype)
    channels = weight.shape[1]
    for part in range(lo, hi):
        for start in range(0, channels, LANES):
            count = min(LANES, channels - start)
            for c in range(count):
                for i in range(3):
                    for j in range(3):
                        d[i * _DOWN + j * _RIGHT + c] = weight[part, start + c, 3 * i + j]
            _both_ways(_filter_basis, d, 3, 6)
            _store(d, planes, part, start, count)


@_compiled
def narrow_filters(planes, weight, lo, hi):  # pragma: no cover
    """weight ← Gᵀ d G: the transpose of ``widen_filters``."""
    d = np.zeros(_SPARE + LANES, weight.dtype)
    channels = weight.shape[1]
    for part in range(lo, hi):
        for start in range(0, channels, LANES):
            count = min(LANES, channels - start)
            _load(d, planes, part, start, count)
            _both_ways(_filter_basis_transposed, d, 6, 3)
            for c in range(count):
                for i in range(3):
                    for j in range(3):
                        weight[part, start + c, 3 * i + j] = d[i * _DOWN + j * _RIGHT + c]
