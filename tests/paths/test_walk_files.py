"""Facts about walk files: what is written comes back, old files stay readable, and nothing else gets in."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import DATA

from wplus.errors import ArtifactError, UnsupportedError
from wplus.interpolation import Interp
from wplus.paths.description import ConstantSpeed, DirectionUse, Keyframe, MixUse, NoiseUse, Walk
from wplus.paths.easing import Easing
from wplus.paths.tracks import Track, constant
from wplus.paths.walk_files import _schema, json_of_walk, read_walk, walk_of_json, write_walk

_LEAST: dict[str, Any] = {"format": "wplus walk", "version": 1, "keyframes": [{"seed": 1}, {"seed": 2}]}
_WHOLE = Walk(
    keyframes=(
        Keyframe(seed=3),
        Keyframe(file="latents/anna.npz", index=2, layers=(0, 1, 2)),
        Keyframe(seed=2**32 - 1, class_index=1),
    ),
    generator="wplus1:0123456789abcdef",
    space="w",
    interp="catmull-rom",
    easing="smooth",
    constant_speed="w",
    loop=True,
    seconds_per_keyframe=1.5,
    fps=30.0,
    num_keyframes=3,
    layers=(0, 1, 2, 3),
    latents_as="w+",
    class_index=2,
    truncation_psi=Track(times=(0, 1.5), values=(0.7, 1), interp="smooth"),
    truncation_cutoff=4,
    directions={
        "smile": DirectionUse(file="smile.npy", index=1, layers=(0, 1), amount=Track(times=(0, 2), values=(-1, 2.5)))
    },
    mix=MixUse(seed=9, layers=(4, 5), amount=constant(0.5)),
    noise=NoiseUse(
        mode="random", seed=11, radii=(0.5, 0.25), scales={"64": (1.0,), "b8.conv1.noise_const": ()}, turns=2
    ),
    translate_x=Track(times=(0, 3), values=(0, 1)),
    translate_y=Track(times=(0, 1), values=(0, 0.5), interp="hold"),
    rotate=constant(15.0),
    anchor=True,
)


def test_a_file_of_version_1_is_read_for_ever() -> None:
    assert read_walk(DATA / "walk1.toml") == _WHOLE


@pytest.mark.parametrize("name", ["walk.json", "new/walk.toml"])
@pytest.mark.parametrize("walk", [_WHOLE, Walk(keyframes=(Keyframe(seed=0),))], ids=["whole", "least"])
def test_what_is_written_comes_back(tmp_path: Path, name: str, walk: Walk) -> None:
    write_walk(tmp_path / name, walk)
    assert read_walk(tmp_path / name) == walk


def test_a_file_may_say_all_that_a_walk_can_be() -> None:
    properties = _schema()["properties"]
    assert set(properties) - {"format", "version"} == {each.name for each in fields(Walk)}
    pairs = [
        (Keyframe, _schema()["$defs"]["keyframe"]),
        (NoiseUse, properties["noise"]),
        (MixUse, properties["mix"]),
        (DirectionUse, properties["directions"]["additionalProperties"]),
    ]
    for kind, part in pairs:
        assert set(part["properties"]) == {each.name for each in fields(kind)}
    for name, known in (("interp", Interp), ("easing", Easing), ("constant_speed", ConstantSpeed)):
        assert set(properties[name]["enum"]) == set(get_args(known))


def test_what_is_as_by_default_is_left_out() -> None:
    assert json_of_walk(Walk(keyframes=(Keyframe(seed=1), Keyframe(seed=2)))) == _LEAST


def test_whole_numbers_are_of_the_type_that_is_needed() -> None:
    walk = walk_of_json(_LEAST | {"fps": 30, "truncation_psi": 1, "num_keyframes": 4.0})
    assert [type(value) for value in (walk.fps, walk.truncation_psi.values[0], walk.num_keyframes)] == [
        float,
        float,
        int,
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "wplus take"}, r"Its format is wplus take; 'wplus walk' is needed"),
        ({"version": 2}, r"format version 2, and this wplus reads up to 1.*pip install --upgrade wplus"),
        ({"speed": 2}, r"unknown field speed; known: format, version, generator, keyframes"),
        ({"keyframes": []}, r"keyframes must contain at least 1 items"),
        ({"keyframes": [{"sed": 1}]}, r"keyframes\[0\] must not contain \{'sed'\}"),
        ({"keyframes": [{"seed": 1, "file": "x.npz"}]}, r"seed 1 and the file 'x\.npz'; exactly one"),
        ({"keyframes": [{}]}, r"seed None and the file None; exactly one"),
        ({"keyframes": [{"seed": -1}]}, r"seed must be bigger than or equal to 0"),
        ({"fps": "fast"}, r"fps must be number"),
        ({"fps": True}, r"fps must be number"),
        ({"fps": 0}, r"fps is 0\.0; it must be positive"),
        ({"loop": 1}, r"loop must be boolean"),
        ({"interp": "cubic"}, r"interp must be one of"),
        ({"truncation_psi": {"times": [0, 0], "values": [1, 2]}}, r"times \[0\.0, 0\.0\]; they must rise"),
        ({"truncation_psi": {"times": [0], "values": [1, 2]}}, r"1 times and 2 values"),
        ({"noise": {"mode": "none", "radii": [1]}}, r"goes around circles, and its mode is none"),
        ({"noise": {"radii": [-1]}}, r"radius is -1\.0; 0 or more"),
        ({"noise": {"radius": 1}}, r"noise must not contain \{'radius'\}"),
        ({"directions": {"smile": {}}}, r"directions\.smile must contain \['file'\]"),
        ({"mix": {"seed": 1}}, r"mix must contain"),
        ({"generator": "mine"}, r"generator must match pattern"),
    ],
    ids=lambda value: json.dumps(value)[:40] if isinstance(value, dict) else "",
)
def test_what_makes_no_sense_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = tmp_path / "show.json"
    path.write_text(json.dumps(_LEAST | changes))
    with pytest.raises(ArtifactError, match=rf"show\.json: .*{message}"):
        read_walk(path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{", "damaged, or no JSON"),
        ("a.json", '{"fps": NaN}', "NaN is no JSON"),
        ("a.json", "[" * 100_000, "damaged, or no JSON"),
        ("a.json", "[]", "holds a list; a JSON object is needed"),
        ("a.toml", "= 3", "damaged, or no TOML"),
        (
            "a.toml",
            'format = "wplus walk"\nversion = 1\nkeyframes = [{seed = 1}]\nfps = nan',
            "nan is no finite number",
        ),
        ("a.toml", 'format = "wplus walk"\nversion = 1\nkeyframes = [{seed = 1}]\nrotate = nan', "not finite"),
    ],
)
def test_what_is_no_walk_file_is_an_error_of_ours(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ArtifactError, match=rf"{name}.*{message}"):
        read_walk(tmp_path / name)


def test_a_missing_and_a_binary_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"none\.json cannot be read as a walk file: No such file"):
        read_walk(tmp_path / "none.json")
    (tmp_path / "x.toml").write_bytes(b"\xff\x00")
    with pytest.raises(ArtifactError, match=r"x\.toml cannot be read as a walk file"):
        read_walk(tmp_path / "x.toml")


def test_files_are_written_where_they_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"\.toml or \.json; walk\.yaml ends otherwise"):
        write_walk(tmp_path / "walk.yaml", _WHOLE)
    with pytest.raises(ValueError, match="no keyframes of its own"):
        write_walk(tmp_path / "walk.json", Walk())
    monkeypatch.setitem(__import__("sys").modules, "tomli_w", None)
    with pytest.raises(UnsupportedError, match=r"pip install 'wplus\[live\]'"):
        write_walk(tmp_path / "walk.toml", _WHOLE)
    assert list(tmp_path.iterdir()) == []


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(json_of_walk(_WHOLE))), _JSON, max_size=4))
def test_any_values_are_a_walk_or_an_error_of_ours(changes: dict[str, Any]) -> None:
    try:
        walk = walk_of_json(json_of_walk(_WHOLE) | changes)
    except ArtifactError:
        return
    assert walk_of_json(json_of_walk(walk)) == walk


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["x.json", "x.toml"]))
def test_any_bytes_are_a_walk_or_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str
) -> None:
    path = tmp_path_factory.mktemp("walk") / name
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=name):
        read_walk(path)
