"""The kinds of measurement operators: from what stands behind the colon, and files, to a linear map."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wplus.inversion import resampling
from wplus.inversion.linear_maps import ChannelSum, Constant, Crop, Identity, LinearMap, Pixels, Separable, Shape
from wplus.inversion.matrix_maps import Dense, Sparse
from wplus.inversion.operator_files import read_mask, read_masks, read_matrix

Stored = Mapping[str, NDArray[Any]]
"""Arrays that came from a file."""

Made = tuple[LinearMap, Stored]

_LUMA = (0.299, 0.587, 0.114)
_STREAM_PIXELS, _STREAM_MASKS = 2**32, 2**32 + 1  # second words of Philox's key; layers' noise has small ones
_MOST_ENTRIES = 2**31  # of a matrix that is drawn: 8 GiB in float32
_NUMBER = re.compile(r"\d{0,9}\.?\d{1,9}(e-?\d{1,2})?", re.ASCII)
_WHOLE = re.compile(r"\d{1,9}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What an operator is asked to be."""

    text: str
    argument: str
    img_shape: Shape
    seed: int
    stored: Stored | None  # None: the file is read

    @property
    def path(self) -> Path:
        return Path(self.argument).expanduser()

    @property
    def size(self) -> tuple[int, int]:
        return self.img_shape[1:]

    def wrong(self, need: str) -> ValueError:
        _, height, width = self.img_shape
        return ValueError(f"The operator {self.text} does not fit pictures of {width}x{height}: {need}.")


def _identity(request: Request) -> Made:
    return Identity(request.img_shape), {}


def _grey(request: Request) -> Made:
    channels = request.img_shape[0]
    if channels not in (1, 3):
        raise ValueError(f"The operator grey needs pictures of 1 or 3 channels; these have {channels}.")
    return ChannelSum(request.img_shape, _LUMA if channels == 3 else (1.0,)), {}


def _mask(request: Request) -> Made:
    pixels = math.prod(request.size)
    if _NUMBER.fullmatch(request.argument):
        fraction = float(request.argument)
        if not 0 < fraction <= 1:
            raise ValueError(f"The operator {request.text} keeps a share of the pixels above 0 and at most 1.")
        count = max(1, round(fraction * pixels))
        chosen = Constant(lambda: np.sort(np.argsort(_words(request, _STREAM_PIXELS, pixels), kind="stable")[:count]))
        return Pixels(request.img_shape, count, chosen), {}
    stored = read_mask(request.path, size=request.size) if request.stored is None else request.stored
    kept = _part(stored, "mask", "biu")
    if kept.shape != request.size or not kept.any():
        raise request.wrong(f"the mask is {list(kept.shape)} and keeps {np.count_nonzero(kept)} pixels; 1 is the least")
    places = np.flatnonzero(kept)
    return Pixels(request.img_shape, len(places), Constant(lambda: places)), {"mask": kept}


def _smaller(request: Request) -> Made:
    resample = resampling.box if request.text.startswith("down:") else resampling.bicubic
    factor = int(request.argument) if _WHOLE.fullmatch(request.argument) else 0
    height, width = request.size
    if not 1 <= factor <= min(height, width):
        raise request.wrong(f"a whole factor from 1 to {min(height, width)} is needed")
    h, w = height // factor, width // factor
    left, right = Constant(lambda: resample(height, h)), Constant(lambda: resample(width, w))
    return Separable(request.img_shape, (h, w), left, right), {}


def _blur(request: Request) -> Made:
    height, width = request.size
    sigma = float(request.argument) if _NUMBER.fullmatch(request.argument) else 0.0
    if not 0.01 <= sigma <= max(height, width):
        raise request.wrong(f"a standard deviation from 0.01 to {max(height, width)} pixels is needed")
    left = Constant(lambda: resampling.gaussian(height, sigma))
    right = Constant(lambda: resampling.gaussian(width, sigma))
    return Separable(request.img_shape, (height, width), left, right), {}


def _crop(request: Request) -> Made:
    parts = request.argument.split(",")
    if len(parts) != 4 or not all(_WHOLE.fullmatch(part) for part in parts):
        raise ValueError(f"The operator {request.text} needs four whole numbers: crop:LEFT,TOP,WIDTH,HEIGHT.")
    left, top, width, height = map(int, parts)
    if not (width and height and left + width <= request.size[1] and top + height <= request.size[0]):
        raise request.wrong("the rectangle is empty or goes beyond the picture")
    return Crop(request.img_shape, (left, top, width, height)), {}


def _matrix(request: Request) -> Made:
    stored = read_matrix(request.path) if request.stored is None else request.stored
    dense = "matrix" in stored
    shape = _part(stored, "matrix", "biuf").shape if dense else tuple(_part(stored, "shape", "iu").tolist())
    numbers, pixels = math.prod(request.img_shape), math.prod(request.size)
    if len(shape) != 2 or shape[0] < 1 or shape[1] not in (numbers, pixels):
        raise request.wrong(
            f"the matrix is {list(shape)}; [M, {numbers}] (all channels, one after the other), or [M, {pixels}] (each "
            "channel alone) is needed"
        )
    channels: Any = "joined" if shape[1] == numbers else "each"
    value = _part(stored, "matrix" if dense else "value", "biuf")
    if not (np.isfinite(value).all() and value.any()):
        raise ValueError(f"The matrix of {request.text} is 0 throughout, or has numbers that are NaN or infinite.")
    if dense:
        return Dense(request.img_shape, len(value), Constant(lambda: value), channels), stored
    places = [_part(stored, name, "iu") for name in ("row", "column")]
    for place, size in zip(places, shape, strict=True):
        if place.shape != value.shape or value.ndim != 1 or (len(place) and not 0 <= place.min() <= place.max() < size):
            raise ValueError(f"The sparse matrix of {request.text} has entries outside its shape {list(shape)}.")
    row, column, entries = (Constant(partial(np.asarray, array)) for array in (*places, value))
    return Sparse(request.img_shape, shape, row, column, entries, channels), stored


def _coded(request: Request) -> Made:
    pixels, scale = math.prod(request.size), 1 / math.sqrt(math.prod(request.img_shape))
    if _WHOLE.fullmatch(request.argument):
        count = int(request.argument)
        if not 1 <= count * pixels <= _MOST_ENTRIES:
            raise request.wrong(f"from 1 to {_MOST_ENTRIES // pixels:,} masks can be drawn")
        masks = Constant(lambda: _draw_masks(request, count, pixels))
        return Dense(request.img_shape, count, masks, "summed", scale), {}
    stored = read_masks(request.path) if request.stored is None else request.stored
    given = _part(stored, "masks", "i")
    if given.ndim != 2 or given.shape[1] != pixels or not given.any():
        raise request.wrong(
            f"the masks are {list(given.shape)}; [M, {pixels}] or [M, height, width], not all 0, is needed"
        )
    return Dense(request.img_shape, len(given), Constant(lambda: given), "summed", scale), stored


def _draw_masks(request: Request, count: int, pixels: int) -> NDArray[np.int8]:
    """-1 and 1, `[count, pixels]`; the first of many masks are those of few."""
    words = _words(request, _STREAM_MASKS, -(-count * pixels // 64))
    bits = np.unpackbits(words.astype("<u8").view(np.uint8), count=count * pixels, bitorder="little")
    return bits.view(np.int8).reshape(count, pixels) * np.int8(2) - np.int8(1)


def _words(request: Request, stream: int, count: int) -> NDArray[np.uint64]:
    """Random words: Philox's own, which stay the same in every version of numpy."""
    return np.random.Philox(key=[request.seed, stream]).random_raw(count)


def _part(stored: Stored, name: str, kinds: str) -> NDArray[Any]:
    """An array of what was stored, of a type that makes sense, as torch takes it."""
    if name not in stored or stored[name].dtype.kind not in kinds:
        given = f"of {stored[name].dtype}" if name in stored else "missing"
        raise ValueError(f"The operator's array {name!r} is {given}; one of real numbers is needed.")
    array = stored[name]
    return array.astype(np.float64 if array.dtype.itemsize > 8 else array.dtype.newbyteorder("="), copy=False)


KINDS: dict[str, Callable[[Request], Made]] = {
    "identity": _identity,
    "grey": _grey,
    "mask": _mask,
    "down": _smaller,
    "bicubic": _smaller,
    "blur": _blur,
    "crop": _crop,
    "matrix": _matrix,
    "coded": _coded,
}
