"""What a wrapped network is found to give, on a few z, before anybody relies on it."""

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wplus.backends import Backend
from wplus.errors import WplusError
from wplus.inputs import one_hot
from wplus.latents import seeds_to_z
from wplus.picture_form import PictureForm

_OUTSIDE = 0.05  # of the range, beyond either end: what lies further out does not belong to it
_FEW = 0.01  # share of the values that may
_SAME = 2e-3  # between two pictures of one z, ours being 2 from black to white: the bound of "exact"
_SEEDS = range(2)
_MORE_SEEDS = range(2, 10)  # where two pictures leave a doubt

_Array = NDArray[np.float32]

_log = logging.getLogger(__name__)


def probe(backend: Backend, form: PictureForm, *, z_shape: tuple[int, ...], c_dim: int) -> tuple[int, int, int]:
    """Channels, height and width of the pictures, once they are found to be what was said.

    Raises:
        ValueError: the network cannot be called so, or its pictures have another shape or range, are not finite, are
            not the same twice, or depend on their company.
    """
    z = seeds_to_z(_SEEDS, z_shape)
    c = np.repeat(one_hot(0, c_dim), len(z), axis=0) if c_dim else None
    img = _draw(backend, z, c)
    if not np.isfinite(img).all():
        raise ValueError(f"{np.mean(~np.isfinite(img)):.0%} of the pictures' values are NaN or infinite.")
    _check_range(backend, form, img, z_shape, c)
    _check_repeatable(backend, img, z, c)
    if c_dim > 1 and np.array_equal(img, _draw(backend, z, np.repeat(one_hot(1, c_dim), len(z), axis=0))):
        _log.warning("c_dim is %d, and the classes 0 and 1 give the same pictures: the label has no effect.", c_dim)
    _, channels, height, width = img.shape
    return channels, height, width


def _draw(backend: Backend, z: _Array, c: _Array | None) -> _Array:
    try:
        img: Any = backend.synthesize(z, None, c=c)
    except WplusError:
        raise
    except Exception as exc:  # it is the user's code: it may raise anything
        called = f"on z {list(z.shape)}" + ("" if c is None else f" and c {list(c.shape)}, one-hot")
        hint = "If it takes a label, pass c_dim." if c is None else "If it takes class numbers, let it do c.argmax(1)."
        raise ValueError(
            f"The network failed {called}: {type(exc).__name__}: {str(exc)[:500]}\n"
            f"z_dim or z_shape says what one z is; pictures are expected. {hint}"
        ) from exc
    return img if isinstance(img, np.ndarray) else img.detach().cpu().numpy()


def _check_range(backend: Backend, form: PictureForm, img: _Array, z_shape: tuple[int, ...], c: _Array | None) -> None:
    low, high = form.img_range
    seen = f"The pictures' values lie between {form.own(float(img.min())):.4g} and {form.own(float(img.max())):.4g}"
    said = f"img_range says {low:g} to {high:g}"
    outside = np.mean(np.abs(img) > 1 + 2 * _OUTSIDE)
    if outside > _FEW:
        raise ValueError(f"{seen}, {outside:.0%} of them outside: {said}. Pass the range that the network gives.")
    if high > 2 and low == 0 and form.own(float(img.max())) <= 1 + _OUTSIDE:
        raise ValueError(f"{seen}: {said}. Pass img_range=(0, 1) if that is black and white.")
    if (low, high) == (-1, 1) and 0 <= img.min() < img.max():
        z = seeds_to_z(_MORE_SEEDS, z_shape)
        more = _draw(backend, z, None if c is None else np.repeat(c[:1], len(z), axis=0))
        if more.min() >= 0:
            raise ValueError(f"{seen}, none below mid-grey: {said}. Pass img_range=(0, 1) if 0 is black.")


def _check_repeatable(backend: Backend, img: _Array, z: _Array, c: _Array | None) -> None:
    again = np.abs(_draw(backend, z, c) - img).max()
    if again > _SAME:
        raise ValueError(
            f"The same z gave two pictures, {again:.2g} apart of 2 from black to white: the network draws random "
            "numbers. Same seed, same picture needs them fixed: make them a buffer, or part of z."
        )
    alone = np.abs(_draw(backend, z[:1], None if c is None else c[:1]) - img[:1]).max()
    if alone > _SAME:
        raise ValueError(
            f"A picture depends on what is drawn with it: alone it differs by {alone:.2g} of 2 from black to white. "
            "Normalisation over the batch must use stored statistics (track_running_stats=True)."
        )
