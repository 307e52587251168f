"""LPIPS, the learned perceptual distance, for those who have its weights.

Nothing is downloaded, and nothing else is called LPIPS.

Source: Zhang et al. 2018; the original's version 0.1 with VGG16.
"""

import hashlib
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from platformdirs import user_cache_path
from torch import Tensor

from wplus.errors import ArtifactError, UnsupportedError
from wplus.inversion.similarity import only_what_counts

BACKBONE = "vgg16-397923af.pth"
"""torchvision's VGG16, trained on ImageNet; its name holds the first digits of its SHA-256."""

CHECKSUMS = ("397923af", "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868")
"""How the SHA-256 of the backbone and of the package's weights begin; with others, the distance is not LPIPS."""

LARGEST = 256  # pixels of the shorter side that VGG16 sees, as in NVIDIA's projector

_URL = f"https://download.pytorch.org/models/{BACKBONE}"
_INSTALL = "pip install --no-deps lpips==0.1.4"  # of which a file is read; with what it requires comes another torch
_BLOCKS = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))  # convolutions, by torchvision's names
_WIDTHS = (64, 128, 256, 512, 512)
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # ImageNet's colours, for pictures in [-1, 1]

_Convolution = tuple[Tensor, Tensor]  # weight [O, I, 3, 3], bias [O]


class Lpips:
    """LPIPS as a loss: call it with img and target `[N, C, H, W]`, about [-1, 1], and a weight, for `[N]`, at least 0.

    Gray is taken for RGB. Larger pictures are reduced to `largest` by area. A weight acts as in `only_what_counts`.
    """

    def __init__(self, blocks: list[list[_Convolution]], heads: list[Tensor], *, largest: int | None = LARGEST) -> None:
        self._blocks, self._heads, self._largest = blocks, heads, largest

    def __call__(self, img: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """The distances, `[N]`."""
        self._move_to(img)
        img = only_what_counts(img, target, weight)
        distances = []
        for head, ours, theirs in zip(self._heads, self._features(img), self._features(target), strict=True):
            difference = (_normalized(ours) - _normalized(theirs)).square()
            distances.append(F.conv2d(difference, head).flatten(1).mean(dim=1))
        return torch.stack(distances).sum(dim=0)

    def _features(self, img: Tensor) -> Iterable[Tensor]:
        """What VGG16 makes of the picture at each of its five sizes, finest first."""
        if img.shape[1] not in (1, 3):
            raise ValueError(f"The pictures have {img.shape[1]} channels; LPIPS compares 1 (gray) or 3 (RGB).")
        x = reduced(img, self._largest).expand(-1, 3, -1, -1)
        if min(x.shape[-2:]) < 16:
            raise ValueError(f"The pictures are {x.shape[3]}x{x.shape[2]} pixels; LPIPS needs 16x16. Use another loss.")
        shift, scale = (x.new_tensor(values)[:, None, None] for values in (_SHIFT, _SCALE))
        x = (x - shift) / scale
        for number, block in enumerate(self._blocks):
            if number:
                x = F.max_pool2d(x, 2)
            for weight, bias in block:
                x = F.relu(F.conv2d(x, weight, bias, padding=1))
            yield x

    def _move_to(self, img: Tensor) -> None:
        if self._heads[0].device != img.device or self._heads[0].dtype != img.dtype:
            self._heads = [head.to(img) for head in self._heads]
            self._blocks = [[(weight.to(img), bias.to(img)) for weight, bias in block] for block in self._blocks]


def reduced(img: Tensor, largest: int | None) -> Tensor:
    """Pictures whose shorter side is at most `largest`, as means over areas; None leaves them."""
    side = min(img.shape[-2:])
    if largest is None or side <= largest:
        return img
    if not side % largest and not any(length % (side // largest) for length in img.shape[-2:]):
        return F.avg_pool2d(img, side // largest)  # the same, and its gradient has a fixed order on a GPU
    return F.interpolate(img, size=[round(length * largest / side) for length in img.shape[-2:]], mode="area")


def load_lpips(
    backbone: str | Path | None = None,
    *,
    heads: str | Path | None = None,
    checksums: tuple[str, str] = CHECKSUMS,
    largest: int | None = LARGEST,
) -> Lpips:
    """LPIPS (VGG16, version 0.1) from files on this machine.

    Args:
        backbone: torchvision's `vgg16-397923af.pth`; by default it is looked for in `lpips` in the user's cache of
            wplus, and where torchvision keeps what it downloaded.
        heads: `weights/v0.1/vgg.pth` of the package lpips; by default that of the installed package, which is not run.
        checksums: What the SHA-256 of both begins with.
        largest: Pixels of the shorter side above which pictures are reduced; None for never.

    Raises:
        UnsupportedError: the package or the backbone's weights are missing.
        ArtifactError: a file is another than LPIPS's, or damaged.
    """
    heads = _found_heads() if heads is None else _existing(Path(heads))
    backbone = _found_backbone() if backbone is None else _existing(Path(backbone))
    stored = _read(heads, checksums[1], source=_INSTALL)
    lines = [_tensor(heads, stored, f"lin{n}.model.1.weight", (1, width, 1, 1)) for n, width in enumerate(_WIDTHS)]
    stored = _read(backbone, checksums[0], source=_URL)
    blocks: list[list[_Convolution]] = []
    channels = 3
    for numbers, width in zip(_BLOCKS, _WIDTHS, strict=True):
        blocks.append([])
        for number in numbers:
            weight = _tensor(backbone, stored, f"features.{number}.weight", (width, channels, 3, 3))
            blocks[-1].append((weight, _tensor(backbone, stored, f"features.{number}.bias", (width,))))
            channels = width
    return Lpips(blocks, lines, largest=largest)


def _normalized(features: Tensor) -> Tensor:
    """Of length 1 at each pixel; where there is nothing, it stays so, with a gradient of 0 instead of NaN."""
    length = features.square().sum(dim=1, keepdim=True).clamp(min=1e-20).sqrt()
    return features / (length + 1e-10)


def _found_heads() -> Path:
    package = find_spec("lpips")
    for folder in (package.submodule_search_locations or []) if package else []:
        if (path := Path(folder) / "weights" / "v0.1" / "vgg.pth").is_file():
            return path
    raise UnsupportedError(
        f"LPIPS needs the weights in the package lpips, which is not installed: {_INSTALL}. "
        f"It needs {BACKBONE} too (528 MB), from {_URL}, in {_cache()}. Other losses need neither: pixel, ms_ssim."
    )


def _found_backbone() -> Path:
    places = [_cache(), Path(torch.hub.get_dir()) / "checkpoints"]
    for place in places:
        if (path := place / BACKBONE).is_file():
            return path
    raise UnsupportedError(
        f"LPIPS needs the weights of VGG16, which wplus does not download: get {BACKBONE} (528 MB) from {_URL} and put "
        f"it into {places[0]} (or {places[1]}, where torchvision does). Other losses need none: pixel, ms_ssim."
    )


def _cache() -> Path:
    return user_cache_path("wplus") / "lpips"


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise UnsupportedError(f"LPIPS needs {path}, which does not exist. The backbone is {BACKBONE}, from {_URL}.")
    return path


def _read(path: Path, checksum: str, *, source: str) -> dict[str, object]:
    """The tensors in a file of torch's, once it has proved to be the one that it should be."""
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if not found.startswith(checksum):
            raise ArtifactError(
                f"{path} is not the file that LPIPS was made with: its SHA-256 begins with {found[:8]}, not with "
                f"{checksum[:8]}. Get it anew: {source}"
            )
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except ArtifactError:
        raise
    except Exception as exc:  # whatever torch finds wrong with a file
        raise ArtifactError(f"{path} cannot be read: {exc}.") from exc
    if not isinstance(stored, dict):
        raise ArtifactError(f"{path} holds no named tensors.")
    return stored


def _tensor(path: Path, stored: dict[str, object], name: str, shape: tuple[int, ...]) -> Tensor:
    tensor = stored.get(name)
    if not isinstance(tensor, Tensor) or tuple(tensor.shape) != shape:
        found = f"is {list(tensor.shape)}" if isinstance(tensor, Tensor) else "is missing"
        raise ArtifactError(f"{path}: {name} {found}; LPIPS's own is {list(shape)}.")
    return tensor.detach().float().clone()  # a copy: the rest of the file is not kept
