"""Facts about pictures in files and the writer in the background."""

import errno
import io
import tracemalloc
import zipfile
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from wplus.errors import ArtifactError, UnsupportedError
from wplus.media import ImageWriter, OutputFormat, Picture, encode_image, grid, to_rgb
from wplus.media_metadata import read_metadata


def picture(*shape: int, seed: int = 0) -> Picture:
    """A smooth picture, which lossy formats keep well."""
    small = np.random.RandomState(seed).randint(0, 256, (4, 4, shape[2])).astype(np.uint8)
    planes = [Image.fromarray(small[:, :, i]).resize((shape[1], shape[0]), 3) for i in range(shape[2])]
    return np.stack([np.asarray(plane) for plane in planes], axis=2)


def psnr(a: Picture, b: Picture) -> float:
    return float(10 * np.log10(255**2 / max(np.mean((a.astype(float) - b.astype(float)) ** 2), 1e-9)))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (63, 31)], ids=str)
def test_png_keeps_every_bit(size: tuple[int, int], channels: int) -> None:
    given = np.random.RandomState(0).randint(0, 256, (*size, channels)).astype(np.uint8)
    decoded = np.asarray(Image.open(io.BytesIO(encode_image(given, "png"))))
    np.testing.assert_array_equal(decoded.reshape(given.shape), given)


def test_views_are_encoded_as_they_look() -> None:
    given = picture(16, 12, 3)[::-2, ::3]
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(encode_image(given, "png")))), given)


def test_jpeg_and_webp_come_close() -> None:
    given = picture(64, 48, 3)
    for image_format in ("jpg", "webp"):
        decoded = np.asarray(Image.open(io.BytesIO(encode_image(given, image_format))))
        assert psnr(decoded, given) > 36, image_format


def test_gray_stays_gray_in_a_jpeg() -> None:
    assert Image.open(io.BytesIO(encode_image(picture(8, 8, 1), "jpg"))).mode == "L"


@pytest.mark.parametrize("channels", [2, 4])
def test_jpeg_refuses_alpha(channels: int) -> None:
    with pytest.raises(UnsupportedError, match=f"{channels} channels, and the last is alpha"):
        encode_image(picture(4, 4, channels), "jpg")


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((4, 4, 3), np.float32), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 5), np.uint8)],
    ids=["float", "no channels", "five"],
)
def test_what_is_no_picture_is_refused(wrong: Picture) -> None:
    with pytest.raises(ValueError, match=r"uint8 \[H, W, C\] with 1 to 4 channels is needed"):
        encode_image(wrong, "png")


def test_rgb_repeats_gray_and_lays_alpha_over_black() -> None:
    np.testing.assert_array_equal(to_rgb(np.array([[[7]]], np.uint8)), [[[7, 7, 7]]])
    np.testing.assert_array_equal(to_rgb(np.array([[[200, 255]]], np.uint8)), [[[200] * 3]])
    np.testing.assert_array_equal(to_rgb(np.array([[[200, 100, 50, 128]]], np.uint8)), [[[100, 50, 25]]])


def test_a_grid_goes_row_by_row_and_ends_in_black() -> None:
    cells = np.stack([np.full((2, 3, 1), value, np.uint8) for value in range(1, 6)])
    whole = grid(cells, columns=3, rows=2)
    assert whole.shape == (4, 9, 1)
    np.testing.assert_array_equal(whole[::2, ::3, 0], [[1, 2, 3], [4, 5, 0]])


def test_a_grid_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match=r"5 pictures do not fit into a grid of 2x2"):
        grid(np.zeros((5, 1, 1, 3), np.uint8), columns=2, rows=2)


@pytest.mark.parametrize("image_format", ["png", "jpg", "webp"])
def test_the_writer_writes_what_encoding_gives(tmp_path: Path, image_format: OutputFormat) -> None:
    with ImageWriter(tmp_path / "new" / "folder", image_format) as writer:
        paths = [writer.write(f"seed{i:04d}", picture(8, 8, 3, seed=i), {"seed": i}) for i in range(20)]
    for i, path in enumerate(paths):
        assert path == tmp_path / "new" / "folder" / f"seed{i:04d}.{image_format}"
        assert path.read_bytes() == encode_image(picture(8, 8, 3, seed=i), image_format, {"seed": i})  # type: ignore[arg-type]
        assert read_metadata(path) == {"seed": i}
    assert len(list(paths[0].parent.iterdir())) == 20


def test_npy_holds_the_pixels(tmp_path: Path) -> None:
    with ImageWriter(tmp_path, "npy") as writer:
        path = writer.write("seed0000", picture(5, 6, 3))
    np.testing.assert_array_equal(np.load(path), picture(5, 6, 3))


def test_a_zip_holds_stored_pngs_in_order_and_is_reproducible(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        with ImageWriter(tmp_path / folder, "zip") as writer:
            paths = {writer.write(f"seed{i:04d}", picture(8, 8, 3, seed=i), {"seed": i}) for i in range(9)}
        assert paths == {tmp_path / folder / "images.zip"}
        assert list((tmp_path / folder).iterdir()) == list(paths)
    with zipfile.ZipFile(tmp_path / "a" / "images.zip") as archive:
        assert archive.namelist() == [f"seed{i:04d}.png" for i in range(9)]
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}
        np.testing.assert_array_equal(np.asarray(Image.open(archive.open("seed0003.png"))), picture(8, 8, 3, seed=3))
    assert (tmp_path / "a" / "images.zip").read_bytes() == (tmp_path / "b" / "images.zip").read_bytes()


def write_pictures(outdir: Path, image_format: OutputFormat, error: BaseException | None = None) -> None:
    with ImageWriter(outdir, image_format) as writer:
        for i in range(30):
            writer.write(f"seed{i:04d}", picture(16, 16, 3, seed=i))
            if i == 20 and error is not None:
                raise error


@pytest.mark.parametrize("image_format", get_args(OutputFormat))
def test_an_interrupted_writer_leaves_whole_files_only(tmp_path: Path, image_format: OutputFormat) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_pictures(tmp_path, image_format, KeyboardInterrupt())
    for path in tmp_path.iterdir():
        assert path.suffix == f".{image_format}"
        assert path.name.startswith("seed")
        np.load(path) if image_format == "npy" else Image.open(path).load()
    assert len(list(tmp_path.iterdir())) <= 21
    assert image_format != "zip" or not list(tmp_path.iterdir())


@pytest.mark.parametrize("image_format", ["png", "jpg", "webp", "npy", "zip"])
def test_a_full_disk_is_an_error_that_leaves_no_half_file(
    tmp_path: Path, image_format: OutputFormat, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for holder, name in ((Path, "write_bytes"), (zipfile.ZipFile, "writestr")):
        monkeypatch.setattr(holder, name, full)
    with pytest.raises(ArtifactError, match="No space left on device"):
        write_pictures(tmp_path, image_format)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ArtifactError, match="file"), ImageWriter(tmp_path / "file"):
        pass


def test_an_unknown_format_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="known: png, jpg, webp, npy, zip"):
        ImageWriter(tmp_path, "bmp")  # type: ignore[arg-type]


def test_memory_does_not_grow_with_the_number_of_pictures(tmp_path: Path) -> None:
    noise = np.random.RandomState(0)
    tracemalloc.start()
    with ImageWriter(tmp_path, "png") as writer:
        for _ in range(200):  # 40 MB in all, and hardly compressible
            writer.write("same", noise.randint(0, 256, (256, 256, 3), np.uint8))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6
