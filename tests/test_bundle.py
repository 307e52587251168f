"""The bundle folder: what is written is read back, and what is not as it was written is refused."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wplus.bundle import Bundle, GraphSpec, Manifest, Port, is_bundle, new_bundle, read_bundle, write_manifest
from wplus.checkpoints.checkpoint import Provenance
from wplus.config import Config, DCGANConfig, StyleGAN1Config, StyleGAN2Config, StyleGAN3Config, WrappedConfig
from wplus.errors import ArtifactError
from wplus.manifest import Certificate, DerivedConstant, parse_manifest

Values = dict[str, Any]

_SIZES = {"z_dim": 8, "c_dim": 0, "img_channels": 3}
_CONFIGS = [
    StyleGAN1Config(**_SIZES, w_dim=8, img_resolution=8, channels=(8, 8)),
    StyleGAN2Config(**_SIZES, w_dim=8, img_resolution=16, channels=(8, 8, 8)),
    StyleGAN3Config(**_SIZES, w_dim=8, img_resolution=16, channels=(8,) * 5),
    StyleGAN3Config(**_SIZES, w_dim=8, img_resolution=16, channels=(8,) * 5, conv_kernel=1, use_radial_filters=True),
    WrappedConfig(**_SIZES, img_resolution=6, latent_shape=(2, 2, 2), picture_shape=(6, 4)),
]


def _manifest(config: Config = _CONFIGS[1]) -> Manifest:
    ws, img = Port("ws", "float32", ("N", 6, 8)), Port("img", "float32", ("N", 3, 16, 16))
    graphs = {"synthesis": GraphSpec(file="synthesis.onnx", inputs=(ws,), outputs=(img,))}
    if config.has_w:
        graphs["mapping"] = GraphSpec(file="mapping.onnx", inputs=(Port("z", "float32", ("N", 8)),), outputs=(ws,))
    return Manifest(
        config=config,
        fingerprint="wplus1:0123456789abcdef",
        provenance=Provenance(source="tiny.pkl", sha256="0" * 64, format="pickle", licence="CC0", parent=None),
        opset=18,
        ir_version=8,
        graphs=graphs,
        parameters=123,
        derived_constants=(DerivedConstant(name="b4.conv1/Conv.1", shape=(8, 8), bytes=256),),
        versions={"wplus": "0.1.0"},
        certificate=Certificate(run="quick", passed=True, summary="onnxruntime: 130 dB"),
    )


def _write(folder: Path, manifest: Manifest) -> Bundle:
    folder.mkdir()
    for graph in manifest.graphs.values():
        (folder / graph.file).write_bytes(b"graph " * 100)
    return write_manifest(folder, manifest)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle of a StyleGAN2, with bytes in place of graphs."""
    return _write(tmp_path / "bundle", _manifest()).folder


@pytest.fixture
def change(folder: Path) -> Callable[[Callable[[Values], object]], Path]:
    """Changes what the bundle's manifest says."""

    def edit(function: Callable[[Values], object]) -> Path:
        values = json.loads((folder / "manifest.json").read_text())
        function(values)
        (folder / "manifest.json").write_text(json.dumps(values))
        return folder

    return edit


Change = Callable[[Callable[[Values], object]], Path]


@pytest.mark.parametrize("config", _CONFIGS, ids=lambda config: config.family)
def test_what_is_written_is_read_back(config: Config, tmp_path: Path) -> None:
    written = _write(tmp_path / "bundle", _manifest(config))
    assert is_bundle(tmp_path / "bundle")
    assert read_bundle(tmp_path / "bundle") == written
    assert written.config == config
    assert written.graph_path("synthesis").is_file()


def test_a_dcgan_is_kept_as_what_goes_in_and_comes_out(tmp_path: Path) -> None:
    layers = {"channels": (4,), "strides": (1, 2), "paddings": (0, 1), "kernels": (4, 4)}
    config = DCGANConfig(**_SIZES, img_resolution=8, **layers, norms=(True, False), biases=(False, True))
    _write(tmp_path / "bundle", _manifest(config))
    assert read_bundle(tmp_path / "bundle").config == WrappedConfig(
        **_SIZES, img_resolution=8, latent_shape=(8,), picture_shape=(8, 8)
    )


def test_reading_needs_no_torch(folder: Path) -> None:
    code = f"""import sys
sys.modules.update(dict.fromkeys(("torch", "safetensors", "onnx")))
from wplus.bundle import read_bundle
print(read_bundle({str(folder)!r}).config.family)"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out == "stylegan2\n"


def test_a_folder_without_a_manifest_is_no_bundle(tmp_path: Path) -> None:
    assert not is_bundle(tmp_path)
    with pytest.raises(ArtifactError, match=r"is no bundle: it has no manifest\.json\. wplus export makes one"):
        read_bundle(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[1]", '"x"', '{"a": NaN}', "[" * 100_000, "\udcff"], ids=range(7))
def test_a_damaged_manifest_is_refused(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ArtifactError, match=r"manifest\.json cannot be used\. It (is damaged|holds a)"):
        read_bundle(folder)


def test_a_huge_manifest_is_not_read(folder: Path) -> None:
    os.truncate(folder / "manifest.json", 1 << 40)
    with pytest.raises(ArtifactError, match="has more than 16,777,216 bytes"):
        read_bundle(folder)


def test_a_newer_bundle_is_refused_by_name(change: Change) -> None:
    folder = change(lambda values: values.update(format_version=2, graphs="otherwise"))
    with pytest.raises(ArtifactError, match=r"format version 2, and this wplus reads up to 1.* --upgrade wplus"):
        read_bundle(folder)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda values: values.update(format="other\x1b[2J"), r"Its format is other\?\[2J; 'wplus-bundle' is needed"),
        (lambda values: values.update(format_version=True), "format_version must be"),
        (lambda values: values.pop("opset"), r"used\. It must contain \['opset'\]"),
        (lambda values: values.update(precision="fp8"), "precision must be one of"),
        (lambda values: values["config"].update(z_dim="8"), r"config\.z_dim must be integer"),
        (lambda values: values["config"].update(z_dim=2**40), r"config\.z_dim must be smaller"),
        (lambda values: values["config"].update(evil=1), "config must not contain.*evil"),
        (lambda values: values["config"].update(channels=[8, 8]), "img_resolution is 16; 2 blocks"),
        (lambda values: values["config"].update(latent_shape=[8]), "fields that stylegan2 does not know: latent_shape"),
        (lambda values: values.update(family="plain"), "Its configuration cannot be used"),
        (lambda values: values.update(fingerprint="wplus1:xyz"), "fingerprint must match"),
        (lambda values: values["graphs"].pop("mapping"), "graphs synthesis; mapping and synthesis or generator is"),
        (lambda values: values["files"].pop("mapping.onnx"), r"graph mapping\.onnx and no sum"),
        (lambda values: values["graphs"]["mapping"].update(file="../mapping.onnx"), "mapping.*file must match"),
        (lambda values: values["graphs"]["mapping"]["inputs"][0].pop("dtype"), r"inputs\[0\] must contain"),
    ],
)
def test_what_the_manifest_lacks_or_contradicts_is_named(
    change: Change, edit: Callable[[Values], object], said: str
) -> None:
    with pytest.raises(ArtifactError, match=said):
        read_bundle(change(edit))


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "a/b", "a\\b", "..", ".", "", ".hidden", "x\n", "C:x", "ü", "a" * 201]
)
def test_file_names_do_not_leave_the_folder(change: Change, name: str) -> None:
    folder = change(lambda values: values["files"].update({name: {"sha256": "0" * 64, "bytes": 1}}))
    with pytest.raises(ArtifactError, match="files"):
        read_bundle(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "synthesis.onnx").unlink()
    with pytest.raises(ArtifactError, match=r"synthesis\.onnx is missing, and the manifest lists it"):
        read_bundle(folder)


def test_a_truncated_file_is_named_with_both_sizes(folder: Path) -> None:
    os.truncate(folder / "mapping.onnx", 17)
    with pytest.raises(ArtifactError, match=r"mapping\.onnx has 17 bytes, and the manifest says 600: it was cut short"):
        read_bundle(folder)


def test_a_tampered_file_is_named_with_both_sums(folder: Path) -> None:
    (folder / "synthesis.onnx").write_bytes(b"graPh " * 100)
    with pytest.raises(
        ArtifactError, match=r"synthesis\.onnx has the SHA-256 [0-9a-f]{64}, and the manifest says [0-9a-f]{64}"
    ):
        read_bundle(folder)


_MANIFEST = _manifest().to_json()
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(text=st.binary(max_size=200) | _JSON.map(lambda values: json.dumps(values).encode()))
def test_arbitrary_bytes_are_read_or_refused(text: bytes) -> None:
    with pytest.raises(ArtifactError):
        parse_manifest(text)


@given(data=st.data())
def test_arbitrary_changes_to_a_manifest_are_read_or_refused(data: st.DataObject) -> None:
    values = json.loads(json.dumps(_MANIFEST))
    holder = values
    while True:
        name = data.draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else range(len(holder))))
        if not holder[name] or not isinstance(holder[name], dict | list) or data.draw(st.booleans()):
            break
        holder = holder[name]
    holder[name] = data.draw(_JSON)
    try:
        manifest = parse_manifest(json.dumps(values))
    except ArtifactError:
        return
    assert parse_manifest(json.dumps(manifest.to_json())) == manifest


def test_numbers_that_overflow_are_refused() -> None:
    sides = {"first_stopband": 1e12, "last_stopband_rel": 1e12}
    values = _manifest(_CONFIGS[2]).to_json()
    values["config"].update(sides)
    with pytest.raises(ArtifactError):
        parse_manifest(json.dumps(values))


def test_a_bundle_is_there_when_its_block_ends_well(tmp_path: Path) -> None:
    with new_bundle(tmp_path / "deep" / "bundle") as folder:
        assert folder.parent == tmp_path / "deep"
        (folder / "x").write_text("x")
        assert not (tmp_path / "deep" / "bundle").exists()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["bundle"]
    assert (tmp_path / "deep" / "bundle" / "x").read_text() == "x"
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "deep" / "bundle").stat().st_mode & 0o777 == 0o777 & ~umask


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), ArtifactError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (RuntimeError("x"), RuntimeError),
    ],
)
def test_a_bundle_that_fails_leaves_nothing(tmp_path: Path, error: BaseException, raised: type[BaseException]) -> None:
    with pytest.raises(raised) as caught, new_bundle(tmp_path / "bundle") as folder:  # noqa: PT012
        (folder / "x").write_text("x")
        raise error
    assert list(tmp_path.iterdir()) == []
    if raised is ArtifactError:
        assert str(caught.value).endswith("No space left on device. Nothing of it was left behind.")


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda path: path.symlink_to("nowhere")])
def test_what_exists_is_not_overwritten(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "bundle")
    with pytest.raises(ArtifactError, match="exists already"), new_bundle(tmp_path / "bundle"):
        raise AssertionError("it began to work")


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match="could not be written"), new_bundle(tmp_path / "file" / "bundle"):
        pass


def test_noise_constants_are_there_where_noise_is_an_input(tmp_path: Path) -> None:
    manifest = replace(_manifest(), noise="input")
    folder = _write(tmp_path / "bundle", manifest).folder
    maps = {"b4.conv1.noise_const": np.arange(16, dtype=np.float32).reshape(4, 4)}
    assert read_bundle(folder).noise_constants() == {}
    np.savez_compressed(folder / "noise.npz", **maps)
    bundle = write_manifest(folder, manifest)
    (found,) = bundle.noise_constants().items()
    assert found[0] == "b4.conv1.noise_const"
    np.testing.assert_array_equal(found[1], maps["b4.conv1.noise_const"])
    (folder / "noise.npz").write_bytes(b"PK")
    with pytest.raises(ArtifactError, match=r"noise\.npz cannot be read"):
        bundle.noise_constants()


def test_a_certificate_that_is_none_is_refused(folder: Path) -> None:
    bundle = read_bundle(folder)
    with pytest.raises(ArtifactError, match=r"parity\.json cannot be read: No such file"):
        bundle.parity()
    (folder / "parity.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"parity\.json cannot be used\. .* must contain"):
        bundle.parity()
