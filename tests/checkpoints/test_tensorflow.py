"""TensorFlow pickles: what is read from them, which networks are refused by name, and which files are hostile."""

import contextlib
import json
import pickletools
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import GOLDEN_IMAGE_LIMIT, assert_close
from tensorflow_files import Network, dump, generator, snapshot, stylegan1_variables, stylegan2_variables

import wplus
from wplus.benchmarks.random_networks import random_checkpoint
from wplus.benchmarks.random_stylegan1 import random_stylegan1, stylegan1_config
from wplus.checkpoints import Checkpoint, fingerprint, read_checkpoint, write_checkpoint
from wplus.config import StyleGAN2Config
from wplus.errors import CheckpointError, UnsupportedError

_SG2_FILE = "stylegan2_tf_resnet_32.pkl"
_SG1_FILE = "genforce_sg1_128_fused.pth"


@pytest.fixture(scope="module")
def first() -> Checkpoint:
    """A StyleGAN1 of 8 px."""
    return random_stylegan1(stylegan1_config(8, fmap_base=32, fmap_max=4, latent_dim=6, num_mapping_layers=2))


@pytest.fixture(scope="module")
def second() -> Checkpoint:
    """A StyleGAN2 of 8 px."""
    config = StyleGAN2Config(
        z_dim=6, w_dim=6, img_resolution=8, img_channels=3, channels=(5, 4), num_mapping_layers=2, lr_multiplier=0.02
    )
    return random_checkpoint(config)


def _read(write: Callable[..., Path], network: Network, protocol: int = 4) -> Checkpoint:
    return read_checkpoint(write(dump(snapshot(network), protocol)))


def _same(found: Checkpoint, expected: Checkpoint) -> None:
    assert found.config == expected.config
    assert fingerprint(found.config, found.tensors) == fingerprint(expected.config, expected.tensors)
    for name, tensor in found.tensors.items():
        assert tensor.flags.c_contiguous, name
        assert tensor.flags.writeable, name
        assert tensor.dtype == np.float32, name


def test_stylegan2_of_tensorflow_gives_its_pictures(data: Path) -> None:
    G = wplus.load(data / _SG2_FILE, device="cpu")
    file = np.load(data / _SG2_FILE.replace(".pkl", ".expected.npz"))
    meta = json.loads(str(file["meta"]))
    assert (G.family, G.config.architecture, G.config.conv_clamp) == ("stylegan2", "resnet", None)
    assert_close(G.map(file["z"]), file["dlatents"], GOLDEN_IMAGE_LIMIT)
    for case, psi, cutoff in (("psi1", 1, None), ("psi0.7", 0.7, None), ("psi0.7_cut4", 0.7, meta["cutoff"])):
        ws = G.map(file["z"], truncation_psi=psi, truncation_cutoff=cutoff)
        assert_close(G.synthesize(ws), file[f"image/{case}"], GOLDEN_IMAGE_LIMIT)


def test_the_file_says_what_is_in_it(data: Path) -> None:
    checkpoint = read_checkpoint(data / _SG2_FILE)
    assert checkpoint.provenance.format == "NVIDIA TensorFlow pickle"
    assert "Gs: TensorFlow network (used)" in checkpoint.contents
    assert "built by 'G_main'" in checkpoint.why
    assert any("psi 0.5, cutoff None; wplus draws with psi 1" in line for line in checkpoint.contents)


@pytest.mark.parametrize(("version", "protocol"), [(2, 2), (3, 3), (3, 4)])
def test_stylegan1_is_the_same_network_in_both_formats(data: Path, write: Any, version: int, protocol: int) -> None:
    expected = read_checkpoint(data / _SG1_FILE)
    options = {"resolution": 128, "latent_size": 32, "dlatent_size": 32, "fmap_max": 16, "label_size": 0}
    variables = stylegan1_variables(expected)
    _same(_read(write, generator(variables, version=version, build_func="G_style", **options), protocol), expected)


def test_stylegan2_is_the_same_network_in_both_formats(write: Any, data: Path, second: Checkpoint) -> None:
    _same(_read(write, generator(stylegan2_variables(second), mapping_lrmul=0.02, num_channels=3)), second)
    nvidias = read_checkpoint(data / "golden_sg2_cond_32.pkl")  # ADA's: embedded labels, a clamp
    options = {"conv_clamp": 256, "num_fp16_res": 4, "label_size": 5, "fused_modconv": True}
    _same(_read(write, generator(stylegan2_variables(nvidias), version=5, **options)), nvidias)


def test_stylegan2_without_noise_keeps_no_maps(write: Any, second: Checkpoint) -> None:
    variables = {n: v for n, v in stylegan2_variables(second).items() if not n.endswith("noise_strength")}
    found = _read(write, generator(variables, use_noise=False, mapping_lrmul=0.02))
    assert not found.config.use_noise
    assert not any("noise" in name for name in found.tensors)


def test_a_network_alone_is_read(write: Any, first: Checkpoint) -> None:
    assert read_checkpoint(write(dump(generator(stylegan1_variables(first))))).config == first.config


def test_a_conditional_stylegan1_is_read(write: Any, first: Checkpoint) -> None:
    random = np.random.RandomState(0)
    extra = {"mapping.embed.weight": random.randn(6, 3), "mapping.fc0.weight": random.randn(6, 12)}
    tensors = first.tensors | {name: value.astype(np.float32) for name, value in extra.items()}
    expected = replace(first, config=replace(first.config, c_dim=3), tensors=tensors)
    _same(_read(write, generator(stylegan1_variables(expected), label_size=3)), expected)


def test_options_of_stylegan1_are_honoured(write: Any, first: Checkpoint) -> None:
    variables = stylegan1_variables(first)
    for given_, field, value in (
        ({"fused_scale": True}, "fused_resolution", 4),
        ({"fused_scale": False}, "fused_resolution", None),
        ({"truncation_cutoff": None}, "cutoff", 0),
        ({"truncation_cutoff": -1}, "cutoff", 0),
        ({"truncation_cutoff": 3}, "cutoff", 3),
        ({"mapping_lrmul": 0.5}, "lr_multiplier", 0.5),
    ):
        assert getattr(_read(write, generator(variables, **given_)).config, field) == value


def test_both_survive_conversion_bit_for_bit(write: Any, tmp_path: Path, first: Checkpoint, second: Checkpoint) -> None:
    for variables, options in ((stylegan1_variables(first), {"fused_scale": False}), (stylegan2_variables(second), {})):
        checkpoint = _read(write, generator(variables, **options))
        write_checkpoint(tmp_path / "ours.safetensors", checkpoint)
        again = read_checkpoint(tmp_path / "ours.safetensors")
        _same(again, checkpoint)
        assert all(np.array_equal(again.tensors[name], value) for name, value in checkpoint.tensors.items())
        assert again.provenance == checkpoint.provenance


def test_a_missing_average_is_the_mean(write: Any, first: Checkpoint) -> None:
    variables = stylegan1_variables(first)
    del variables["dlatent_avg"]
    checkpoint = _read(write, generator(variables))
    assert any("mean over 10,000 z" in line for line in checkpoint.contents)
    G = wplus.generator.Generator(checkpoint, device="cpu")
    ws = G.map(np.random.RandomState(123).randn(10_000, 6).astype(np.float32))
    assert_close(G.w_avg, ws[:, 0].astype(np.float64).mean(axis=0), 1e-5)


_STYLEGAN1_OPTIONS = {
    "mapping_nonlinearity": "relu",
    "normalize_latents": False,
    "use_wscale": False,
    "use_styles": False,
    "const_input_layer": False,
    "nonlinearity": "relu",
    "use_pixel_norm": True,
    "use_instance_norm": False,
    "blur_filter": [1, 3, 3, 1],
    "structure": "wild",
    "dtype": "float16",
    "fused_scale": "sometimes",
}


@pytest.mark.parametrize("option", _STYLEGAN1_OPTIONS)
def test_an_option_that_stylegan1_does_not_draw_is_refused_by_name(write: Any, first: Checkpoint, option: str) -> None:
    network = generator(stylegan1_variables(first), **{option: _STYLEGAN1_OPTIONS[option]})
    with pytest.raises(UnsupportedError, match=f"has {option} = .*supported"):
        _read(write, network)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nonlinearity": "relu"}, "has nonlinearity = 'relu'; only 'lrelu'"),
        ({"mapping_nonlinearity": "relu"}, "has mapping_nonlinearity = 'relu'"),
        ({"normalize_latents": False}, "has normalize_latents = False"),
        ({"resample_kernel": [1, 2, 1]}, "has resample_kernel = a list; only"),
        ({"min_h": 5}, "the option min_h = 5, which is not known"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_an_option_that_stylegan2_does_not_draw_is_refused_by_name(
    write: Any, second: Checkpoint, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UnsupportedError, match=message):
        _read(write, generator(stylegan2_variables(second), **options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resolution": 1024}, "says resolution = 1024; its variables say 8"),
        ({"label_size": 10}, "says label_size = 10; its variables say 0"),
        ({"architecture": "resnet"}, "says architecture = 'resnet'; its variables say skip"),
        ({"use_noise": False}, "says use_noise = False; its variables say True"),
        ({"mapping_lrmul": 0}, "has mapping_lrmul = 0; a positive number"),
        ({"conv_clamp": "much"}, "has conv_clamp = 'much'; a positive number"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_options_that_contradict_the_variables_are_refused(
    write: Any, second: Checkpoint, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        _read(write, generator(stylegan2_variables(second), **options))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mapping/LabelConcat/weight", "LabelConcat/weight.*joins label and z before they are normalised"),
        ("synthesis/ToRGB_lod0/weight", "ToRGB_lod0/weight.*configurations B to D, which grow progressively"),
        ("synthesis/8x8/Attention/weight", "Attention/weight, which is not supported: StyleGAN2 has no such"),
        ("synthesis/8x8/Conv/weight", "8x8/Conv/weight, which is not supported"),
    ],
)
def test_another_stylegan2_is_refused_by_name(write: Any, second: Checkpoint, name: str, message: str) -> None:
    variables = stylegan2_variables(second) | {name: np.zeros((2, 2), np.float32)}
    with pytest.raises(UnsupportedError, match=message):
        _read(write, generator(variables))


def test_another_stylegan1_is_refused_by_name(write: Any, first: Checkpoint) -> None:
    for name in ("synthesis/4x4/Dense/weight", "synthesis/12x12/Conv1/bias", "synthesis/8x8/Const/bias"):
        with pytest.raises(UnsupportedError, match=f"variable {name}, which StyleGAN1 does not have"):
            _read(write, generator(stylegan1_variables(first) | {name: np.zeros(4, np.float32)}))


def test_a_network_that_has_not_grown_up_is_refused(write: Any, first: Checkpoint) -> None:
    variables = stylegan1_variables(first) | {"lod": np.float32(1.5)}
    with pytest.raises(UnsupportedError, match=r"before it had grown to its full resolution \(lod = 1.5\)"):
        _read(write, generator(variables))


def test_other_networks_are_refused_by_name(write: Any, first: Checkpoint) -> None:
    progan = generator({"lod": np.float32(0)}, version=2, build_func="G_paper")
    with pytest.raises(UnsupportedError, match=r"built by 'G_paper' and its layers have neither /StyleMod/"):
        _read(write, progan)
    progan.state["components"] = {}
    with pytest.raises(UnsupportedError, match=r"built by 'G_paper' and has no mapping and synthesis.*ProGAN"):
        _read(write, progan)
    with pytest.raises(UnsupportedError, match=r"version 6 of dnnlib\.tflib; 2 to 5 are known"):
        _read(write, generator(stylegan1_variables(first), version=6))
    two = dump((progan, progan))
    with pytest.raises(CheckpointError, match=r"holds 2 objects .*; the three networks G, D, Gs are needed"):
        read_checkpoint(write(two))


def _array(shape: tuple[int, ...]) -> np.ndarray:
    return np.zeros(shape, np.float32)


def _replace(network: Network, name: str, value: np.ndarray) -> None:
    variables = network.state["variables"]
    variables[[known for known, _ in variables].index(name)] = (name, value)


_HOSTILE: dict[str, tuple[Callable[[Network], Any], str]] = {
    "variables that are no list": (lambda n: n.state.update(variables={"a": 1}), "whose variables are no list"),
    "a variable without value": (lambda n: n.state["variables"].append(("x",)), "a variable without name and value"),
    "a variable named by a number": (lambda n: n.state["variables"].append((1, _array((1,)))), "no short text"),
    "two variables of one name": (lambda n: n.state["variables"].extend([("x", 0.0)] * 2), "two variables of one name"),
    "a variable that is text": (lambda n: n.state["variables"].append(("x", "y")), "the variable x is a str"),
    "an array of objects": (
        lambda n: n.state["variables"].append(("x", np.array([None]))),
        "a numpy array of",
    ),
    "a component that is no network": (lambda n: n.state["components"].update(mapping={}), "component that is a dict"),
    "a network inside itself": (lambda n: n.state["components"].update(mapping=n), "contains itself"),
    "static_kwargs that are no dict": (lambda n: n.state.update(static_kwargs=[1]), "static_kwargs are no dict"),
    "two values of one option": (lambda n: n.state["static_kwargs"].update(dtype="a"), "a component of it 'float32'"),
    "weights of another shape": (
        lambda n: _replace(n.state["components"]["mapping"], "Dense0/weight", _array((2, 3, 4))),
        r"mapping\.fc0\.weight is \[2, 3, 4\]; 2 dimensions are needed",
    ),
    "a map of another rank": (
        lambda n: n.state["components"]["synthesis"].state["variables"].append(("noise9", _array((4, 4)))),
        r"noise9 is \[4, 4\]; its first 2 of 4 dimensions must be 1",
    ),
}


@pytest.mark.parametrize("name", _HOSTILE)
def test_a_hostile_pickle_is_refused_by_name(write: Any, first: Checkpoint, name: str) -> None:
    change, message = _HOSTILE[name]
    network = generator(stylegan1_variables(first), dtype="float32")
    change(network)
    with pytest.raises(CheckpointError, match=message):
        _read(write, network)


def test_the_source_text_and_other_globals_are_never_run(write: Any, first: Checkpoint) -> None:
    class Canary:
        def __reduce__(self) -> tuple[Any, ...]:
            return exec, ("raise SystemExit",)

    network = generator(stylegan1_variables(first))
    network.state["static_kwargs"]["nonlinearity"] = Canary()
    with pytest.raises(CheckpointError, match=r"asks for (builtins|__builtin__)\.exec"):
        _read(write, network)


def test_one_array_cannot_become_many(write: Any, first: Checkpoint) -> None:
    array = np.zeros(100_000, np.float32)
    network = generator(stylegan1_variables(first) | {f"synthesis/noise{i}": array for i in range(100, 600)})
    blob = dump(snapshot(network))
    assert len(blob) < 1_000_000
    start = time.perf_counter()
    with pytest.raises(CheckpointError, match="larger than the file itself"):
        read_checkpoint(write(blob))
    assert time.perf_counter() - start < 2


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6))
def test_any_damage_is_an_error_of_ours_or_harmless(write: Any, first: Checkpoint, changes: list[Any]) -> None:
    blob = bytearray(dump(snapshot(generator(stylegan1_variables(first), resolution=8))))
    for place, value in changes:
        blob[int(place * len(blob))] = value
    with contextlib.suppress(CheckpointError, UnsupportedError):
        read_checkpoint(write(bytes(blob)))


def test_the_written_files_are_laid_out_as_nvidias(data: Path) -> None:
    """The tests' own writer against a file of the original code: both name the same globals of dnnlib."""
    genuine = _globals((data / _SG2_FILE).read_bytes())
    written = _globals(dump(snapshot(generator({"x": np.zeros(2, np.float32), "y": np.float32(1)}))))
    assert {name for name in written if "dnnlib" in name} == {name for name in genuine if "dnnlib" in name}


def _globals(blob: bytes) -> set[str]:
    texts: list[str] = []
    found = set()
    for opcode, argument, _ in pickletools.genops(blob):
        if opcode.name == "GLOBAL":
            found.add(str(argument))
        elif opcode.name == "STACK_GLOBAL":
            found.add(" ".join(texts[-2:]))
        elif isinstance(argument, str):
            texts.append(argument)
    return found
