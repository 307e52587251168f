"""Pictures on their way into an inversion."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from wplus.backends.arrays import to_bytes
from wplus.errors import ArtifactError, UnsupportedError
from wplus.inversion.landmarks import Landmarks
from wplus.inversion.targets import open_picture, read_picture, read_targets, read_weight


def _levels(height: int, width: int, channels: int = 3) -> NDArray[np.uint8]:
    return np.random.RandomState(0).randint(0, 256, (height, width, channels), np.uint8)


def _save(path: Path, levels: NDArray[Any], **options: Any) -> Path:
    Image.fromarray(levels[:, :, 0] if levels.shape[-1] == 1 else levels).save(path, **options)
    return path


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_of_the_generators_size_is_taken_byte_for_byte(tmp_path: Path, channels: int) -> None:
    levels = np.arange(256, dtype=np.uint8).repeat(3 * channels).reshape(16, 48, channels)
    target = read_picture(_save(tmp_path / "a.png", levels), channels=channels, size=(16, 48))
    assert target.img.dtype == np.float32
    assert np.abs(target.img).max() <= 1
    assert target.weight is None
    np.testing.assert_array_equal(to_bytes(target.img[None])[0], levels)


def test_the_middle_is_taken_to_the_byte_when_only_the_aspect_differs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    levels = _levels(32, 39)
    with caplog.at_level(logging.INFO):
        target = read_picture(_save(tmp_path / "a.png", levels), channels=3, size=(32, 32))
    np.testing.assert_array_equal(to_bytes(target.img[None])[0], levels[:, 3:35])
    assert "cropped to the middle, 17.9 % of it lost at the left and right" in caplog.text


def test_a_larger_picture_is_reduced_without_aliasing(tmp_path: Path) -> None:
    checks = (np.indices((256, 256)).sum(axis=0) % 2 * 255).astype(np.uint8)[:, :, None]
    target = read_picture(_save(tmp_path / "a.png", checks), channels=3, size=(32, 32))
    assert target.img.shape == (3, 32, 32)
    assert np.abs(target.img[:, 2:-2, 2:-2]).max() < 0.02


def test_a_picture_is_turned_as_its_exif_says(tmp_path: Path) -> None:
    levels = _levels(20, 40)
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise
    path = _save(tmp_path / "a.png", levels, exif=exif)
    np.testing.assert_array_equal(np.asarray(open_picture(path)), np.rot90(levels, -1))


def test_transparency_becomes_a_weight_and_what_is_transparent_is_black(tmp_path: Path) -> None:
    levels = _levels(16, 16, 4)
    levels[:, :8, 3], levels[:, 8:12, 3], levels[:, 12:, 3] = 0, 51, 255
    target = read_picture(_save(tmp_path / "a.png", levels), channels=3, size=(16, 16))
    assert target.weight is not None
    assert target.weight.shape == (1, 16, 16)
    np.testing.assert_allclose(target.weight[0, 0, [0, 9, 15]], [0, 0.2, 1])
    seen = to_bytes(target.img[None])[0]
    np.testing.assert_array_equal(seen[:, 8:], levels[:, 8:, :3])
    assert not seen[:, :8].any()


def test_transparent_colours_do_not_bleed_when_a_picture_is_reduced(tmp_path: Path) -> None:
    levels = np.zeros((64, 64, 4), np.uint8)
    levels[:, :30] = (255, 0, 0, 0)
    levels[:, 30:] = (0, 200, 0, 255)
    target = read_picture(_save(tmp_path / "a.png", levels), channels=3, size=(16, 16))
    seen, weight = to_bytes(target.img[None])[0], target.weight
    assert weight is not None
    assert not seen[:, :, 0].any()
    assert (np.abs(seen[:, :, 1].astype(int) - 200)[weight[0] > 0.1] <= 16).all()  # what Lanczos rings


def test_alpha_that_hides_nothing_is_no_weight(tmp_path: Path) -> None:
    levels = _levels(16, 16, 4)
    levels[:, :, 3] = 255
    assert read_picture(_save(tmp_path / "a.png", levels), channels=3, size=(16, 16)).weight is None


def test_gray_becomes_rgb_and_rgb_becomes_luma(tmp_path: Path) -> None:
    gray = read_picture(_save(tmp_path / "a.png", _levels(16, 16, 1)), channels=3, size=(16, 16))
    np.testing.assert_array_equal(gray.img[0], gray.img[2])
    green = np.zeros((16, 16, 3), np.uint8)
    green[:, :, 1] = 255
    luma = read_picture(_save(tmp_path / "b.png", green), channels=1, size=(16, 16))
    np.testing.assert_allclose((luma.img + 1) / 2, 0.587, atol=0.003)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBX", "CMYK", "YCbCr", "I;16", "I"])
def test_a_file_of_any_mode_gives_the_same_picture(tmp_path: Path, mode: str) -> None:
    levels = np.array([[0, 255], [255, 0]], np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    image = Image.fromarray(levels)
    if mode.startswith("I"):
        image = Image.fromarray((levels.astype(np.int64) * 257).astype("<u2" if mode == "I;16" else "<i4"))
    else:
        image = (image if mode in ("1", "LA") else image.convert("RGB")).convert(mode)
    image.save(path := tmp_path / ("a.tif" if mode in ("RGBX", "CMYK", "YCbCr", "I") else "a.png"))
    target = read_picture(path, channels=3, size=(16, 16))
    assert target.weight is None
    assert np.abs(to_bytes(target.img[None])[0].astype(int) - levels[:, :, None]).max() <= 2


def test_gray_of_16_bits_is_rounded(tmp_path: Path) -> None:
    levels = np.arange(256, dtype=np.uint16).reshape(16, 16) * 257
    levels[1:-1, ::2] += 128
    levels[1:-1, 1::2] -= 128
    Image.fromarray(levels).save(tmp_path / "a.png")
    np.testing.assert_array_equal(np.asarray(open_picture(tmp_path / "a.png")).flatten(), np.arange(256))


def test_a_palettes_transparent_colour_is_a_weight(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1]] * 16, np.uint8).repeat(8, axis=1)).convert("P")
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.save(tmp_path / "a.png", transparency=0)
    weight = read_picture(tmp_path / "a.png", channels=3, size=(16, 16)).weight
    assert weight is not None
    np.testing.assert_array_equal(weight[0, 0], [0] * 8 + [1] * 8)


def test_a_weight_of_the_photographs_size_is_cut_out_as_the_photograph_is(tmp_path: Path) -> None:
    mask = np.zeros((32, 40, 1), np.uint8)
    mask[:, 20:] = 255
    photo, region = _save(tmp_path / "a.png", _levels(32, 40)), _save(tmp_path / "mask.png", mask)
    weight = read_picture(photo, channels=3, size=(32, 32), weight=region).weight
    assert weight is not None
    np.testing.assert_array_equal(weight[0, 0], [0] * 16 + [1] * 16)


def test_a_weight_of_the_generators_aspect_is_resized_and_multiplied_with_alpha(tmp_path: Path) -> None:
    levels = _levels(32, 32, 4)
    levels[:16, :, 3], levels[16:, :, 3] = 255, 102
    region = _save(tmp_path / "mask.png", np.full((64, 64, 1), 51, np.uint8))
    weight = read_picture(_save(tmp_path / "a.png", levels), channels=3, size=(32, 32), weight=region).weight
    assert weight is not None
    np.testing.assert_allclose(weight[0, [0, 31], 0], [0.2, 0.08], atol=1e-6)


def test_weights_that_fit_nothing_or_leave_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"20x40 pixels; it must be as large .* or have the aspect .* 32x32"):
        read_weight(_save(tmp_path / "a.png", _levels(40, 20, 1)), size=(32, 32))
    black = _save(tmp_path / "b.png", np.zeros((32, 32, 1), np.uint8))
    with pytest.raises(ArtifactError, match=r"black everywhere: nothing would count. White is what counts"):
        read_weight(black, size=(32, 32))
    levels = _levels(32, 32, 4)
    levels[:, :, 3] = 0
    with pytest.raises(ArtifactError, match="nothing of it counts"):
        read_picture(_save(tmp_path / "c.png", levels), channels=3, size=(32, 32))


def test_a_folder_is_read_in_order_and_says_what_it_leaves_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("b.png", "a.PNG", "a.jpg", ".hidden.png"):
        _save(tmp_path / name, _levels(16, 16))
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "deeper").mkdir()
    with caplog.at_level(logging.INFO):
        targets = read_targets(tmp_path, channels=3, size=(16, 16))
    assert [target.name for target in targets] == ["a", "a-2", "b"]
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}: deeper, notes.txt left out: no pictures by their names."
    ]


def test_names_are_unique_also_beside_numbered_files_and_where_case_does_not_count(tmp_path: Path) -> None:
    files = []
    for name in ("x/a.png", "x/a-2.png", "y/A.png", "y/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        files.append(_save(tmp_path / name, _levels(16, 16)))
    targets = read_targets(files, channels=3, size=(16, 16))
    assert [target.name for target in targets] == ["a", "a-2", "A-3", "b"]


def test_landmarks_are_found_by_file_name(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.png", _levels(64, 64))
    face = Landmarks(left_eye=(24, 24), right_eye=(40, 24), mouth=(32, 40))
    (target,) = read_targets(path, channels=3, size=(32, 32), landmarks={"a.png": face})
    assert target.alignment.sides == pytest.approx((64, 64))
    with pytest.raises(ValueError, match=r"no landmarks for a.png; .* b.png. Add them"):
        read_targets(path, channels=3, size=(32, 32), landmarks={"b.png": face})


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="There is no picture in"):
        read_targets(tmp_path, channels=3, size=(16, 16))


def test_another_aspect_is_an_error_that_says_to_crop(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.png", _levels(20, 50))
    with pytest.raises(ValueError, match=r"a.png is 50x20 pixels; .* are 16x16, .* Crop it to about that shape first"):
        read_picture(path, channels=3, size=(16, 16))


def test_a_tiny_picture_is_an_error_and_a_small_one_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match="15x15 pixels; at least 16 on each side"):
        read_picture(_save(tmp_path / "a.png", _levels(15, 15)), channels=3, size=(64, 64))
    read_picture(_save(tmp_path / "b.png", _levels(32, 32)), channels=3, size=(64, 64))
    assert "32x32 pixels, less than the generator's 64x64: it is enlarged" in caplog.text


def test_other_channels_are_unsupported(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"4 channels; pictures can be read as 1 \(gray\) or 3"):
        read_picture(_save(tmp_path / "a.png", _levels(16, 16)), channels=4, size=(16, 16))


def test_what_is_no_picture_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(ArtifactError, match=r"a.png cannot be read as a picture"):
        open_picture(tmp_path / "a.png")
    with pytest.raises(ArtifactError, match=r"none.png does not exist"):
        open_picture(tmp_path / "none.png")
    with pytest.raises(ArtifactError, match=r"is a folder; a picture is needed"):
        open_picture(tmp_path)
    Image.fromarray(np.ones((16, 16), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(ArtifactError, match=r"floating-point numbers, which have no agreed range"):
        open_picture(tmp_path / "a.tif")


def test_a_picture_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    Image.new("1", (20_000, 9_000)).save(tmp_path / "bomb.png")
    with pytest.raises(ArtifactError, match=r"too large .*; at most 178,956,970 pixels are read. Reduce it first"):
        open_picture(tmp_path / "bomb.png")


def test_postscript_is_not_handed_to_another_program(tmp_path: Path) -> None:
    Image.fromarray(_levels(16, 16)).save(tmp_path / "a.eps")
    with pytest.raises(ArtifactError, match="cannot be read as a picture"):
        open_picture(tmp_path / "a.eps")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), image_format=st.sampled_from(["png", "jpg", "webp", "gif", "bmp", "tif", "ppm", "tga"]))
def test_a_damaged_file_is_read_or_refused(tmp_path: Path, data: st.DataObject, image_format: str) -> None:
    content = bytearray(_save(tmp_path / f"whole.{image_format}", _levels(8, 8)).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    damaged = tmp_path / f"damaged.{image_format}"
    damaged.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        image = open_picture(damaged)
    except ArtifactError:
        return
    assert image.mode in ("L", "LA", "RGB", "RGBA")
