"""What is optimised, and how it becomes what the network takes: variables there, latents back, gradients through."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wplus.inversion.adam import Arrays
from wplus.inversion.statistics import WStatistics

_Array = NDArray[np.float32]

NOISE = "noise/"  # before a map's name

_PLACE_UNIT = np.float32(0.1)  # radians and picture widths: about as far as a standard deviation of w changes things


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Parametrization:
    """Between variables and latents, both named arrays with the rows first.

    Variables: "z" `[R, *z_shape]`; "v" `[R, 1 or num_ws, w_dim]`, a w in the coordinates of W's axes, for one slot or
    for each; "place" `[R, 3]`, angle and shift of StyleGAN3's plane, in tenths; "noise/<name>" `[R, 1, H, W]`.
    Latents: "z"; "ws" `[R, num_ws, w_dim]`; "transform" `[R, 3, 3]`; "noise/<name>".
    """

    num_ws: int
    statistics: WStatistics | None = None  # None: variables are w's own coordinates
    anchor: _Array | None = None  # `[w_dim]` of the first slot, whatever the variables; None: it is as free as the rest

    def coordinates(self, ws: _Array) -> _Array:
        """v of ws, both `[R, slots, w_dim]`."""
        if self.statistics is None:
            return ws.copy()
        return _turn(ws - self.statistics.mean, self.statistics.inverse.T)

    def latents(self, variables: Arrays) -> Arrays:
        """What the network takes."""
        found = {name: value for name, value in variables.items() if name == "z" or name.startswith(NOISE)}
        if "v" in variables:
            ws = variables["v"]
            if self.statistics is not None:
                ws = self.statistics.mean + _turn(ws, self.statistics.axes.T)
            found["ws"] = np.repeat(ws, self.num_ws // ws.shape[1], axis=1)
            if self.anchor is not None:
                found["ws"][:, 0] = self.anchor
        if "place" in variables:
            found["transform"] = transforms(variables["place"])
        return found

    def pull(self, gradients: Arrays, variables: Arrays) -> Arrays:
        """Gradients by the variables out of those by the latents."""
        found = {name: gradients[name] for name in variables if name == "z" or name.startswith(NOISE)}
        if "v" in variables:
            g = gradients["ws"]
            if self.anchor is not None:
                g = np.concatenate([np.zeros_like(g[:, :1]), g[:, 1:]], axis=1)
            if variables["v"].shape[1] == 1:
                g = g.sum(axis=1, keepdims=True)
            found["v"] = g if self.statistics is None else _turn(g, self.statistics.axes)
        if "place" in variables:
            found["place"] = _pull_place(gradients["transform"], variables["place"])
        return found


def _turn(rows: _Array, matrix: _Array) -> _Array:
    """rows `[R, slots, w_dim]` times a matrix. Not by BLAS: its threads would wait in PyTorch's way, and a row's last
    bits could depend on the others'."""
    turned: _Array = np.einsum("rsd,de->rse", rows, matrix)
    return turned


def transforms(place: _Array) -> _Array:
    """Transforms `[R, 3, 3]` as StyleGAN3's synthesis takes them, of angle and shift `[R, 3]`, in tenths of radians and
    picture widths."""
    angle, x, y = (place * _PLACE_UNIT).T
    cos, sin = np.cos(angle), np.sin(angle)
    zero, one = np.zeros_like(cos), np.ones_like(cos)
    rows = [cos, -sin, x, sin, cos, y, zero, zero, one]
    return np.stack(rows, axis=1).reshape(-1, 3, 3)


def _pull_place(g: _Array, place: _Array) -> _Array:
    angle = place[:, 0] * _PLACE_UNIT
    turn = -np.sin(angle) * (g[:, 0, 0] + g[:, 1, 1]) + np.cos(angle) * (g[:, 1, 0] - g[:, 0, 1])
    return np.stack([turn, g[:, 0, 2], g[:, 1, 2]], axis=1) * _PLACE_UNIT
