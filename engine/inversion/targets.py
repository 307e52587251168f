"""Pictures to invert: any file that Pillow reads, as the numbers that a generator of some size would draw."""

import logging
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from wplus.errors import ArtifactError, UnsupportedError
from wplus.inversion.alignment import Alignment, centre_crop, cut_out
from wplus.inversion.landmarks import Landmarks, align
from wplus.media_metadata import DAMAGED

PICTURE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif"),
    *(".jp2", ".ppm", ".pgm", ".tga"),
)
"""What is taken for a picture in a folder; a file that is named alone may be called what it likes."""

MOST_PIXELS = 178_956_970  # Pillow's own limit
LEAST_SIDE = 16  # pixels of a picture that is to be inverted
MOST_CROPPED = 2.0  # a picture's aspect by the generator's, or the other way round

_PROGRAMS = {"EPS", "WMF"}  # formats that Pillow hands to other programs
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Target:
    """A picture to invert."""

    name: str  # the stem of its file; unique among those that `read_targets` returns
    img: NDArray[np.float32]  # [C, H, W], -1 to 1; as bytes it is the picture as it was read, level for level
    weight: NDArray[np.float32] | None  # [1, H, W], 0 (does not count) to 1; None where all count
    alignment: Alignment  # where in the photograph it lies: `wplus.inversion.alignment.paste_back` puts a result there
    path: Path | None = field(default=None)


def read_targets(
    paths: str | Path | Iterable[str | Path],
    *,
    channels: int,
    size: tuple[int, int],
    landmarks: Landmarks | Mapping[str, Landmarks] | None = None,
    weight: str | Path | None = None,
) -> list[Target]:
    """The pictures of one file, of several, or of a folder, which is taken in the order of names and not deeply.

    Args:
        paths: Files and folders. A folder's other files are left out, which one line of the log says.
        channels: 1 or 3, the generator's.
        size: Height and width of the generator's pictures.
        landmarks: Of the one picture, or by file name: `wplus.inversion.landmarks.read_landmarks` returns them.
        weight: A mask for all of them, see `read_weight`.

    Raises:
        ArtifactError: a file cannot be read as a picture.
        ValueError: there is no picture, or one is too small or of another aspect, or landmarks are missing.
        UnsupportedError: the generator's pictures have other channels.
    """
    files = [file for path in ([paths] if isinstance(paths, str | Path) else paths) for file in _files(Path(path))]
    if not files:
        raise ValueError(f"There is no picture in {paths}. Pictures end with {', '.join(PICTURE_SUFFIXES)}.")
    names = _unique_names(files)
    return [
        read_picture(
            file, channels=channels, size=size, landmarks=_landmarks_of(file, landmarks), weight=weight, name=name
        )
        for file, name in zip(files, names, strict=True)
    ]


def read_picture(
    path: str | Path,
    *,
    channels: int,
    size: tuple[int, int],
    landmarks: Landmarks | None = None,
    weight: str | Path | None = None,
    name: str | None = None,
) -> Target:
    """A file as a target: its middle, or its face, in the size of a generator's pictures.

    Without landmarks the largest part in the middle that has the right aspect is taken and resized with Lanczos'
    antialiased filter; a picture that has the size already is taken byte for byte. With landmarks the face is aligned
    as FFHQ's are. Transparency becomes a weight; pixels that are transparent altogether are black and do not count.

    Args:
        channels: 1 or 3; colours become gray by ITU-R 601's luma.
        size: Height and width.
        weight: A mask, see `read_weight`; it is multiplied with the picture's own transparency.
        name: The target's; the file's stem by default.

    Raises:
        ArtifactError: the file cannot be read as a picture, or nothing of it counts.
        ValueError: the picture has a side under 16 px, or its aspect is more than twice, or less than half, of `size`.
        UnsupportedError: `channels` is another number.
    """
    path = Path(path)
    if channels not in (1, 3):
        raise UnsupportedError(f"The generator draws {channels} channels; pictures can be read as 1 (gray) or 3 (RGB).")
    image = open_picture(path)
    alignment = _alignment(path, image, size, landmarks)
    colours, alpha = _parts(cut_out(image, alignment), channels)
    if weight is not None:
        mask = read_weight(weight, size=size, alignment=alignment)
        alpha = mask if alpha is None else alpha * mask
    if alpha is not None and not alpha.any():
        raise ArtifactError(f"{path}: nothing of it counts: it is transparent, or its weight is 0 everywhere.")
    return Target(name=name or path.stem, img=colours, weight=alpha, alignment=alignment, path=path)


def read_weight(path: str | Path, *, size: tuple[int, int], alignment: Alignment | None = None) -> NDArray[np.float32]:
    """A gray picture, or a colour picture's luma, as weights `[1, H, W]`: black is 0 (does not count), white is 1.

    A mask of the photograph's size is cut out as the photograph was (`alignment`); any other is taken for one of the
    generator's picture and resized to `size`. Where a mask is transparent it weighs 0.

    Raises:
        ArtifactError: the file cannot be read as a picture, or it is black everywhere.
        ValueError: its aspect fits neither.
    """
    path = Path(path)
    image = open_picture(path)
    if alignment is not None and (image.height, image.width) == alignment.source_size:
        image = cut_out(image, alignment)
    elif abs(image.width * size[0] - image.height * size[1]) <= max(size):  # to a pixel
        image = image.resize((size[1], size[0]), Image.Resampling.LANCZOS)
    else:
        raise ValueError(
            f"The weight {path} is {image.width}x{image.height} pixels; it must be as large as the picture that it "
            f"belongs to, or have the aspect of the generator's, {size[1]}x{size[0]}."
        )
    gray, alpha = _parts(image, 1)
    weight = (gray + np.float32(1)) / np.float32(2)
    if alpha is not None:
        weight = weight * alpha
    if not weight.any():
        raise ArtifactError(f"The weight {path} is black everywhere: nothing would count. White is what counts.")
    return weight


def open_picture(path: str | Path) -> Image.Image:
    """A file's picture in the mode L, LA, RGB or RGBA, turned as its EXIF says; an animation's first frame.

    Gray of 16 bits is rounded to 8. Colour profiles are not applied. EPS and WMF, which Pillow hands to other
    programs, are not read.

    Raises:
        ArtifactError: the file is missing, damaged, no picture, or would take too much memory.
    """
    path = Path(path)
    if path.is_dir():
        raise ArtifactError(f"{path} is a folder; a picture is needed.")
    try:
        # Pillow warns of damage that it can read over, and of half the size that we refuse.
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=_formats()) as image:
            if image.width * image.height > MOST_PIXELS:
                raise Image.DecompressionBombError(f"it has {image.width}x{image.height} pixels")
            image.load()
            return _plain(ImageOps.exif_transpose(image))
    except FileNotFoundError as exc:
        raise ArtifactError(f"{path} does not exist.") from exc
    except Image.DecompressionBombError as exc:
        raise ArtifactError(
            f"{path} is too large ({exc}); at most {MOST_PIXELS:,} pixels are read. Reduce it first."
        ) from exc
    except DAMAGED as exc:
        raise ArtifactError(f"{path} cannot be read as a picture: {exc}. PNG, JPEG, WebP and TIFF can.") from exc


def _formats() -> list[str]:
    Image.init()
    return [name for name in Image.ID if name not in _PROGRAMS]


def _plain(image: Image.Image) -> Image.Image:
    """As L, LA, RGB or RGBA."""
    if image.mode.startswith("I"):
        return _from_16_bits(np.asarray(image))
    if image.mode == "La":
        image = image.convert("LA")
    if image.mode == "F":
        raise ValueError("it holds floating-point numbers, which have no agreed range: save it with 8 or 16 bits")
    if image.mode in ("L", "LA", "RGB", "RGBA") and "transparency" not in image.info:
        return image.copy() if image.mode in ("L", "RGB") else _without_needless_alpha(image)
    gray = image.mode in ("1", "L", "LA")
    if image.mode in ("PA", "RGBa") or "transparency" in image.info:
        return _without_needless_alpha(image.convert("RGBA").convert("LA" if gray else "RGBA"))
    return image.convert("L" if gray else "RGB")


def _from_16_bits(levels: NDArray[np.int64]) -> Image.Image:
    if levels.min() < 0 or levels.max() > 65535:
        raise ValueError(f"its levels reach from {levels.min()} to {levels.max()}; 0 to 65535 are understood")
    return Image.fromarray(((levels.astype(np.int64) + 128) // 257).astype(np.uint8))


def _without_needless_alpha(image: Image.Image) -> Image.Image:
    lowest, _ = image.getchannel("A").getextrema()
    return image.convert(image.mode.removesuffix("A")) if lowest == 255 else image


def _parts(image: Image.Image, channels: int) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Colours `[C, H, W]`, -1 to 1, and alpha `[1, H, W]`, 0 to 1, or None."""
    levels = np.asarray(image.convert("RGB" if channels == 3 else "L"), np.float32).reshape(*image.size[::-1], channels)
    alpha = None
    if image.mode in ("LA", "RGBA"):
        alpha = np.asarray(image.getchannel("A"), np.float32)[None] / np.float32(255)
        levels = levels * (alpha[0, :, :, None] > 0)
    # The middle of what becomes each level again when it is rounded down after x * 127.5 + 128.
    return np.ascontiguousarray(((levels - np.float32(127.5)) / np.float32(127.5)).transpose(2, 0, 1)), alpha


def _alignment(path: Path, image: Image.Image, size: tuple[int, int], landmarks: Landmarks | None) -> Alignment:
    source_size = (image.height, image.width)
    if landmarks is not None:
        try:
            alignment = align(landmarks, source_size=source_size, size=size)
        except ValueError as exc:
            raise ValueError(f"{path}: {exc}") from exc
    else:
        aspect = (image.width * size[0]) / (image.height * size[1])
        if max(aspect, 1 / aspect) > MOST_CROPPED:
            raise ValueError(
                f"{path} is {image.width}x{image.height} pixels; the generator's pictures are {size[1]}x{size[0]}, and "
                f"more than half of it would be lost. Crop it to about that shape first."
            )
        alignment = centre_crop(source_size, size)
        if (lost := 1 - min(aspect, 1 / aspect)) * max(source_size) >= 1:
            sides = "left and right" if aspect > 1 else "top and bottom"
            _log.info("%s: cropped to the middle, %.1f %% of it lost at the %s.", path, 100 * lost, sides)
    _check_side(path, alignment)
    return alignment


def _check_side(path: Path, alignment: Alignment) -> None:
    tall, wide = alignment.sides
    rows, columns = alignment.size
    if min(tall, wide) < min(LEAST_SIDE, rows, columns):
        raise ValueError(
            f"{path}: the part to invert is {wide:.0f}x{tall:.0f} pixels; at least {LEAST_SIDE} on each side are "
            "needed to see anything. Use a larger picture."
        )
    if tall < rows - 0.5 or wide < columns - 0.5:
        _log.warning(
            "%s: the part to invert is %.0fx%.0f pixels, less than the generator's %dx%d: it is enlarged, and blurred.",
            *(path, wide, tall, columns, rows),
        )


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    try:
        children = sorted(child for child in path.iterdir() if not child.name.startswith("."))
    except OSError as exc:
        raise ArtifactError(f"The folder {path} cannot be read: {exc.strerror or exc}.") from exc
    pictures = [child for child in children if child.is_file() and child.suffix.lower() in PICTURE_SUFFIXES]
    if others := [child.name for child in children if child not in pictures]:
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        _log.info("%s: %s%s left out: no pictures by their names.", path, ", ".join(others[:5]), more)
    return pictures


def _unique_names(files: list[Path]) -> list[str]:
    """Stems; where one occurs again, also in other case, -2, -3 ... follow it."""
    taken = {file.stem.casefold() for file in files}
    names: list[str] = []
    used: set[str] = set()
    for file in files:
        name, number = file.stem, 2
        while name.casefold() in used or (name != file.stem and name.casefold() in taken):
            name, number = f"{file.stem}-{number}", number + 1
        used.add(name.casefold())
        names.append(name)
    return names


def _landmarks_of(file: Path, landmarks: Landmarks | Mapping[str, Landmarks] | None) -> Landmarks | None:
    if landmarks is None or isinstance(landmarks, Landmarks):
        return landmarks
    if file.name not in landmarks:
        known = ", ".join(list(landmarks)[:5]) or "none"
        raise ValueError(
            f"There are no landmarks for {file.name}; the landmarks file has {known}. Add them, or use none."
        )
    return landmarks[file.name]
