"""Facts about what pictures and videos say of themselves."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from wplus.errors import ArtifactError
from wplus.media import ImageFormat, encode_image
from wplus.media_metadata import read_metadata

PICTURE = np.random.RandomState(0).randint(0, 256, (9, 7, 3)).astype(np.uint8)
FORMATS: tuple[ImageFormat, ...] = ("png", "jpg", "webp")

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("image_format", FORMATS)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(metadata=st.dictionaries(st.text(max_size=6), json_values, max_size=5))
def test_pictures_give_back_what_they_were_told(
    tmp_path: Path, image_format: ImageFormat, metadata: dict[str, object]
) -> None:
    path = tmp_path / f"picture.{image_format}"
    path.write_bytes(encode_image(PICTURE, image_format, metadata))
    assert read_metadata(path) == metadata


@pytest.mark.parametrize("image_format", FORMATS)
def test_pictures_without_metadata_say_nothing(tmp_path: Path, image_format: ImageFormat) -> None:
    path = tmp_path / f"picture.{image_format}"
    path.write_bytes(encode_image(PICTURE, image_format))
    assert read_metadata(path) is None


@pytest.mark.parametrize("text", ["not JSON", "[1]", "[" * 100_000])
def test_a_text_of_our_name_that_is_not_ours_says_nothing(tmp_path: Path, text: str) -> None:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("wplus", text)
    Image.fromarray(PICTURE).save(tmp_path / "other.png", pnginfo=chunks)
    assert read_metadata(tmp_path / "other.png") is None


def test_a_description_by_another_program_says_nothing(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = json.dumps({"seed": 1})
    Image.fromarray(PICTURE).save(tmp_path / "other.jpg", exif=exif)
    assert read_metadata(tmp_path / "other.jpg") is None


def test_metadata_too_long_for_a_jpeg_are_refused_with_a_way_out() -> None:
    with pytest.raises(ValueError, match=r"65000 of ours\. Use png"):
        encode_image(PICTURE, "jpg", {"seeds": list(range(20_000))})


@pytest.mark.parametrize("name", ["missing.png", "missing.mp4", "text.txt", "empty.png", "empty.gif", "empty.mp4"])
def test_what_is_no_picture_is_an_error_that_names_the_file(tmp_path: Path, name: str) -> None:
    if not name.startswith("missing"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ArtifactError, match=name):
        read_metadata(tmp_path / name)


@pytest.mark.parametrize("image_format", FORMATS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_pictures_give_our_error_or_an_answer(
    tmp_path: Path, image_format: ImageFormat, data: st.DataObject
) -> None:
    content = bytearray(encode_image(PICTURE, image_format, {"seeds": [1, 2]}))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / f"damaged.{image_format}"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        answer = read_metadata(path)
    except ArtifactError:
        return
    assert answer is None or isinstance(answer, dict)
