"""Faces aligned as FFHQ's are, cut out and pasted back."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from wplus.errors import ArtifactError
from wplus.inversion.alignment import Alignment, centre_crop, cut_out, paste_back
from wplus.inversion.landmarks import Landmarks, align, parse_landmarks, read_landmarks

_FACE: dict[str, Any] = {"left_eye": [80, 90], "right_eye": [120, 100], "mouth": [92, 140]}
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*_FACE, "mouth_left", "mouth_right", "a.png"]), inner, max_size=4)
    ),
)


def _face(**points: Any) -> Landmarks:
    face = parse_landmarks(_FACE | points)
    assert isinstance(face, Landmarks)
    return face


def _photograph(height: int = 240, width: int = 200) -> NDArray[np.uint8]:
    """Smooth waves of several lengths, of which sampling loses little."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 9 + y / 23), np.sin(x / 31 - y / 11), np.sin((x + y) / 17)]
    return np.stack([127.5 + 110 * wave for wave in waves], axis=-1).astype(np.uint8)


def _psnr(one: NDArray[Any], other: NDArray[Any]) -> float:
    return 10 * math.log10(255**2 / float(np.mean((one.astype(float) - other) ** 2)))


def _sides(alignment: Alignment) -> tuple[NDArray[Any], NDArray[Any]]:
    """The top left corner, and the sides as columns: right, down."""
    corners = np.array(alignment.quad)
    return corners[0], np.stack([corners[3] - corners[0], corners[1] - corners[0]], axis=1)


def _inside(alignment: Alignment, *, margin: float) -> NDArray[np.bool_]:
    """Which pixels of the photograph lie in the parallelogram, with a margin as a share of its sides."""
    corner, sides = _sides(alignment)
    y, x = np.mgrid[: alignment.source_size[0], : alignment.source_size[1]] + 0.5
    places = np.linalg.inv(sides) @ (np.stack([x.flatten(), y.flatten()]) - corner[:, None])
    return np.asarray(((places > margin) & (places < 1 - margin)).all(axis=0).reshape(x.shape))


def test_an_upright_face_is_aligned_by_the_published_constants() -> None:
    face = _face(left_eye=[90, 100], right_eye=[110, 100], mouth=[100, 130])
    alignment = align(face, source_size=(240, 200), size=(64, 64))
    # x = 20 + 30 to the right, then of length max(2.0 * 20, 1.8 * 30) = 54; the centre 3 px below the eyes.
    left, top, right, bottom = 100.5 - 54, 103.5 - 54, 100.5 + 54, 103.5 + 54
    np.testing.assert_allclose(alignment.quad, [(left, top), (left, bottom), (right, bottom), (right, top)])


@pytest.mark.parametrize("degrees", [20, -75, 180])
def test_a_turned_face_comes_out_upright(degrees: float) -> None:
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    face = {name: (turn @ np.subtract(point, 100) + 100).tolist() for name, point in _FACE.items()}
    quad, turned = (
        np.array(align(_face(**points), source_size=(200, 200), size=(64, 64)).quad) for points in ({}, face)
    )
    np.testing.assert_allclose((turn @ (quad - 100.5).T).T + 100.5, turned, atol=1e-9)


def test_each_point_lies_at_its_place_in_the_result() -> None:
    photo = np.zeros((240, 200, 3), np.uint8)
    for (x, y), colour in zip(_FACE.values(), np.eye(3, dtype=np.uint8) * 255, strict=True):
        photo[y - 3 : y + 4, x - 3 : x + 4] = colour
    alignment = align(_face(), source_size=(240, 200), size=(128, 128))
    picture = np.asarray(cut_out(Image.fromarray(photo), alignment), float)
    corner, sides = _sides(alignment)
    row, column = np.mgrid[:128, :128] + 0.5
    for channel, point in enumerate(_FACE.values()):
        spot = picture[:, :, channel] / picture[:, :, channel].sum()
        expected = np.linalg.inv(sides) @ (np.array(point) + 0.5 - corner) * 128
        np.testing.assert_allclose([(spot * column).sum(), (spot * row).sum()], expected, atol=0.1)


@pytest.mark.parametrize(("size", "least"), [(48, 33), (100, 40), (256, 45)])
def test_pasting_back_what_was_cut_out_gives_the_photograph(size: int, least: float) -> None:
    photo = _photograph()
    alignment = align(_face(), source_size=(240, 200), size=(size, size))
    picture = np.asarray(cut_out(Image.fromarray(photo), alignment))
    back = np.asarray(paste_back(Image.fromarray(photo), picture, alignment, feather=0))
    inside, outside = _inside(alignment, margin=0.02), ~_inside(alignment, margin=-0.02)
    assert _psnr(back[inside], photo[inside]) > least
    np.testing.assert_array_equal(back[outside], photo[outside])


def test_a_crop_of_the_middle_is_pasted_back_to_the_byte() -> None:
    photo = np.random.RandomState(0).randint(0, 256, (40, 51, 3), np.uint8)
    alignment = centre_crop((40, 51), (40, 40))
    picture = np.asarray(cut_out(Image.fromarray(photo), alignment))
    back = paste_back(Image.fromarray(photo), 255 - picture, alignment, feather=0)
    expected = photo.copy()
    expected[:, 5:45] = 255 - expected[:, 5:45]
    np.testing.assert_array_equal(np.asarray(back), expected)


def test_a_feather_fades_into_the_photograph_but_not_at_its_edges() -> None:
    photo = Image.new("RGB", (60, 40))
    alignment = centre_crop((40, 60), (40, 40))
    back = np.asarray(paste_back(photo, np.full((40, 40, 3), 200, np.uint8), alignment, feather=0.25))[:, :, 0]
    np.testing.assert_array_equal(back[0], back[20])
    assert back[0, 9] == 0
    assert back[0, 10] == 10
    assert (np.diff(back[20, 10:20].astype(int)) > 0).all()
    assert (back[20, 20:40] == 200).all()


def test_transparency_of_the_photograph_is_kept() -> None:
    photo = np.random.RandomState(0).randint(0, 256, (32, 32, 4), np.uint8)
    back = paste_back(Image.fromarray(photo), np.zeros((32, 32, 1), np.uint8), centre_crop((32, 32), (32, 32)))
    np.testing.assert_array_equal(np.asarray(back)[:, :, 3], photo[:, :, 3])
    assert not np.asarray(back)[:, :, :3].any()


def test_what_lies_outside_is_the_mirrored_photograph() -> None:
    photo = _photograph(100, 100)
    quad = ((-40.0, 0.0), (-40.0, 80.0), (40.0, 80.0), (40.0, 0.0))
    alignment = Alignment(quad=quad, size=(80, 80), source_size=(100, 100))
    picture = np.asarray(cut_out(Image.fromarray(photo), alignment)).astype(int)
    assert np.abs(picture[:, :40] - picture[:, :39:-1]).max() <= 1
    assert np.abs(picture[:, 40:] - photo[:80, :40]).max() <= 2


def test_a_large_part_is_reduced_without_aliasing() -> None:
    checks = (np.indices((1200, 1200)).sum(axis=0) % 2 * 255).astype(np.uint8)
    face = _face(left_eye=[500, 500], right_eye=[700, 520], mouth=[590, 750])
    picture = np.asarray(cut_out(Image.fromarray(checks), align(face, source_size=(1200, 1200), size=(32, 32))))
    assert np.abs(picture.astype(int) - 128).max() <= 3


def test_an_alignment_survives_json() -> None:
    alignment = align(_face(), source_size=(240, 200), size=(64, 64))
    assert Alignment.from_json(json.dumps(alignment.to_json())) == alignment
    assert Alignment.from_json(alignment.to_json()) == alignment


@given(st.fixed_dictionaries({}, optional={"quad": _JSON, "size": _JSON, "source": _JSON}) | _JSON)
def test_other_json_is_no_alignment(values: Any) -> None:
    with pytest.raises(ArtifactError, match="no alignment as wplus writes it"):
        Alignment.from_json(json.dumps(values))


@pytest.mark.parametrize(
    ("quad", "words"),
    [
        (((0, 0), (0, 9), (9, 9), (5, 0)), "no parallelogram"),
        (((0, 0), (0, 9), (0, 18), (0, 9)), "encloses nothing"),
        (((0, 0), (0, math.nan), (9, 9), (9, 0)), "four points of two finite numbers"),
    ],
    ids=["trapezium", "line", "nan"],
)
def test_an_impossible_alignment_is_refused(quad: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Alignment(quad=quad, size=(8, 8), source_size=(9, 9))


def test_a_picture_or_photograph_of_another_size_is_refused() -> None:
    photo, alignment = Image.new("RGB", (60, 40)), centre_crop((40, 60), (32, 32))
    with pytest.raises(ValueError, match=r"uint8 \[16, 16, 3\]; this alignment needs uint8 \[32, 32, 3\]"):
        paste_back(photo, np.zeros((16, 16, 3), np.uint8), alignment)
    with pytest.raises(ValueError, match="is 40x60 pixels; this alignment is of one of 60x40"):
        paste_back(photo.transpose(Image.Transpose.ROTATE_90), np.zeros((32, 32, 3), np.uint8), alignment)
    with pytest.raises(ValueError, match=r"feather is 0.6; a share"):
        paste_back(photo, np.zeros((32, 32, 3), np.uint8), alignment, feather=0.6)


def test_three_points_or_five_are_read_for_one_picture_or_many(tmp_path: Path) -> None:
    five = {name: _FACE[name] for name in ("left_eye", "right_eye")}
    five |= {"nose": [99, 120], "mouth_left": [80, 135], "mouth_right": [104, 145]}
    (tmp_path / "one.json").write_text(json.dumps(five))
    (tmp_path / "many.json").write_text(json.dumps({"a.jpg": _FACE, "b.jpg": five}))
    assert read_landmarks(tmp_path / "one.json") == _face()
    assert read_landmarks(tmp_path / "many.json") == {"a.jpg": _face(), "b.jpg": _face()}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], "landmarks are an object"),
        ({"left_eye": [1, 2], "mouth": [3, 4]}, "right_eye is missing. The file has left_eye, mouth"),
        ({"a.jpg": {"left_eye": [1, 2], "right_eye": [3, 4]}}, "a.jpg: there is no mouth: give mouth, or mouth_left"),
        (_FACE | {"mouth": [1, "2"]}, "two numbers are needed"),
        (_FACE | {"mouth": [1, 2, 3]}, r"\[x, y\] is needed"),
        (_FACE | {"right_eye": _FACE["left_eye"]}, "less than a pixel apart"),
        (_FACE | {"left_eye": _FACE["right_eye"], "right_eye": _FACE["left_eye"]}, "mirrored face.*Exchange the eyes"),
    ],
    ids=["list", "no eye", "no mouth", "text", "three numbers", "equal", "mirrored"],
)
def test_landmarks_that_will_not_do_say_why(tmp_path: Path, values: Any, words: str) -> None:
    path = tmp_path / "landmarks.json"
    path.write_text(json.dumps(values))
    with pytest.raises(ArtifactError, match=rf"landmarks.json cannot be used: .*{words}"):
        read_landmarks(path)


def test_a_missing_file_of_landmarks_says_so(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"none.json cannot be used: No such file"):
        read_landmarks(tmp_path / "none.json")


@given(_JSON)
def test_other_json_is_landmarks_or_a_value_error(values: Any) -> None:
    try:
        parse_landmarks(values)
    except ValueError:
        return


def test_points_far_outside_and_oblong_generators_are_refused() -> None:
    with pytest.raises(ValueError, match="mouth is at 100, 900, far outside of the photograph of 200x240 pixels"):
        align(_face(mouth=[100, 900]), source_size=(240, 200), size=(64, 64))
    with pytest.raises(ValueError, match="this generator's pictures are 32x64"):
        align(_face(), source_size=(240, 200), size=(64, 32))
