"""Measurement operators: what of a picture was measured, y = A img; each is linear, has its adjoint, and a text.

| text | y | measures |
|---|---|---|
| `identity` | [C, H, W] | every pixel |
| `grey` | [1, H, W] | luma, 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601) |
| `mask:0.1` | [C, K] | a tenth of the pixels, chosen by the seed: K = round(0.1 H W), at least 1 |
| `mask:FILE.png` | [C, K] | the pixels where this picture of the same size is light |
| `down:4` | [C, H/4, W/4] | means of 4x4 pixels; a side that 4 does not divide is cut into as many equal windows |
| `bicubic:4` | [C, H/4, W/4] | the picture made smaller by antialiased bicubic interpolation |
| `blur:2.5` | [C, H, W] | the picture blurred by a Gaussian of 2.5 pixels, mirrored beyond the edges |
| `crop:X,Y,W,H` | [C, H, W] | a rectangle: left, top, width, height |
| `matrix:FILE` | [M], or [C, M] | `.npy` or `.npz`: M x C*H*W (channel by channel), or M x H*W on each channel |
| `coded:512` | [M] | 1-bit masks, drawn by the seed |
| `coded:FILE` | [M] | the 1-bit masks in a `.npy` or `.npz`, [M, H, W] or [M, H*W], of 0 and 1, or of -1 and 1 |

A coded measurement is what one detector sees through a mask over all colours: y = W^T (r + g + b) / sqrt(C H W). Masks
that are drawn are of -1 and 1: the light through a mask less that through its complement. Then every row of A has
norm 1, so that white noise of a given variance in the picture has the same in y, whatever the size.

Source: Souza et al. 2025, Latent Space Imaging (arXiv 2407.07052), for coded measurements with a latent space behind.
"""

import math
from dataclasses import dataclass, field

from torch import Tensor

from wplus.inversion.linear_maps import ChannelSum, LinearMap, Shape
from wplus.inversion.matrix_maps import Dense
from wplus.inversion.operator_kinds import KINDS, Request, Stored
from wplus.latents import check_seed

_NO_ARGUMENT = ("identity", "grey")


@dataclass(frozen=True, eq=False, kw_only=True)
class Operator:
    """A linear map A from pictures to measurements, with the text that makes it again; called, it measures.

    It works on the device and in the type of what it is given, and is differentiable.
    """

    spec: str
    seed: int
    map: LinearMap
    stored: Stored = field(default_factory=dict)  # arrays that came from a file, which a file of measurements must hold

    @property
    def img_shape(self) -> Shape:
        """Channels, height and width of the pictures."""
        return self.map.img_shape

    @property
    def y_shape(self) -> tuple[int, ...]:
        """Shape of one picture's measurements."""
        return self.map.y_shape

    @property
    def num_measurements(self) -> int:
        """Numbers in one picture's measurements."""
        return math.prod(self.y_shape)

    @property
    def row_power(self) -> float:
        """The mean squared norm of A's rows, |A|^2 / M: the variance in y of white noise of variance 1."""
        return self.map.row_power

    @property
    def grey(self) -> ChannelSum | None:
        """The weighted sum of the channels that is all it measures, as a map; None where it tells channels apart."""
        channels = self.img_shape[0]
        if channels > 1 and isinstance(self.map, Dense) and self.map.channels == "summed":
            return ChannelSum(self.img_shape, (1 / channels,) * channels)
        return self.map if channels > 1 and isinstance(self.map, ChannelSum) else None

    def forward(self, img: Tensor) -> Tensor:
        """The measurements `[N, *y_shape]` of pictures `[N, C, H, W]`.

        Raises:
            ValueError: the pictures have another shape.
        """
        self._check("img", img, self.img_shape)
        return self.map.forward(img)

    def adjoint(self, y: Tensor) -> Tensor:
        """A^T y, `[N, C, H, W]`, of measurements `[N, *y_shape]`: <A img, y> = <img, A^T y>.

        Raises:
            ValueError: the measurements have another shape.
        """
        self._check("y", y, self.y_shape)
        return self.map.adjoint(y)

    def __call__(self, img: Tensor) -> Tensor:
        """The same as `forward`."""
        return self.forward(img)

    def _check(self, name: str, given: Tensor, shape: tuple[int, ...]) -> None:
        if tuple(given.shape[1:]) != shape or given.ndim == 0:
            raise ValueError(
                f"{name} is {list(given.shape)}; the operator {self.spec} needs [N, {', '.join(map(str, shape))}]."
            )


def make_operator(text: str, *, img_shape: Shape, seed: int = 0, stored: Stored | None = None) -> Operator:
    """The operator that `text` names; the module says which there are.

    Args:
        text: A name, and behind a colon what it takes.
        img_shape: Channels, height and width of the pictures.
        seed: Draws what is random in it.
        stored: What `Operator.stored` of the same text was; the file in the text is then not read.

    Raises:
        ValueError: it names no operator, or one that does not fit pictures of this shape.
        ArtifactError: a file in it is missing or cannot be read.
    """
    if len(img_shape) != 3 or min(img_shape) < 1:
        raise ValueError(f"img_shape is {list(img_shape)}; channels, height and width, each at least 1, are needed.")
    name, _, argument = text.partition(":")
    if name not in KINDS or (argument == "") != (name in _NO_ARGUMENT):
        raise ValueError(
            f"{text!r} is no operator. There are identity, grey, mask:0.1, mask:FILE.png, down:4, bicubic:4, blur:2.5, "
            "crop:X,Y,WIDTH,HEIGHT, matrix:FILE.npz, coded:512 and coded:FILE.npy."
        )
    asked = Request(text=text, argument=argument, img_shape=img_shape, seed=check_seed(seed), stored=stored)
    linear_map, own = KINDS[name](asked)
    return Operator(spec=text, seed=seed, map=linear_map, stored=own)
