"""Half-precision bundles: proven by emulation, with those layers in float32 that need it."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from export_support import FILES
from onnx import TensorProto
from support import DATA
from torch import nn

import wplus
from wplus.benchmarks.random_stylegan3 import random_stylegan3
from wplus.bundle import read_bundle
from wplus.checkpoints import Checkpoint
from wplus.config import StyleGAN3Config
from wplus.errors import ParityError
from wplus.export import ExportOptions, export_bundle
from wplus.export.audit import _fewest
from wplus.export.certificate import compare
from wplus.generator import Generator


def _stylegan3(*, is_rotating: bool) -> Checkpoint:
    config = StyleGAN3Config(
        z_dim=8,
        c_dim=0,
        w_dim=8,
        img_resolution=16,
        img_channels=3,
        channels=(4,) * 4,
        num_mapping_layers=1,
        margin_size=2,
        conv_kernel=1 if is_rotating else 3,
        use_radial_filters=is_rotating,
    )
    return random_stylegan3(config)


_NETWORKS: dict[str, Callable[[], Path | Checkpoint]] = {
    "stylegan1": lambda: DATA / FILES["stylegan1"],
    "stylegan2": lambda: DATA / FILES["stylegan2"],
    "stylegan2-resnet": lambda: DATA / FILES["stylegan2-resnet"],
    "stylegan3-t": lambda: _stylegan3(is_rotating=False),
    "stylegan3-r": lambda: _stylegan3(is_rotating=True),
}


@pytest.mark.parametrize("family", _NETWORKS)
def test_every_family_is_certified_in_half_precision(tmp_path: Path, family: str) -> None:
    bundle = export_bundle(_NETWORKS[family](), tmp_path / "bundle", ExportOptions(precision="fp16"))
    assert read_bundle(bundle.folder) == bundle
    parity = bundle.parity()
    (emulated,) = [entry for entry in parity["runtimes"] if entry["emulated"]]
    assert emulated["passed"]
    assert emulated["psnr_worst"] >= 40
    assert [record["layer"] for record in parity["audit"]] == list(bundle.manifest.float32_layers)
    model = onnx.load(bundle.graph_path("synthesis"))
    kinds = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    weights = [name for name in kinds if name.endswith(".weight") and "affine" not in name and "style" not in name]
    layers = {name for name in weights if name.removesuffix(".weight") not in bundle.manifest.float32_layers}
    assert any(kinds[name] == TensorProto.FLOAT16 for name in layers)
    assert all(
        port.type.tensor_type.elem_type == TensorProto.FLOAT for port in (*model.graph.input, *model.graph.output)
    )
    mapping = onnx.load(bundle.graph_path("mapping"))
    assert not any(tensor.data_type == TensorProto.FLOAT16 for tensor in mapping.graph.initializer)


def _loud(checkpoint: Checkpoint, layer: str, factor: float) -> Checkpoint:
    """The network with a layer's bias so large that float16 cannot hold it, drawn down again by the torgb behind it."""
    tensors = dict(checkpoint.tensors)
    tensors[f"synthesis.{layer}.bias"] = tensors[f"synthesis.{layer}.bias"] + np.float32(factor)
    tensors["synthesis.b16.torgb.weight"] = tensors["synthesis.b16.torgb.weight"] / np.float32(factor)
    return replace(checkpoint, tensors=tensors)


def test_a_layer_that_would_overflow_stays_in_float32(tiny_checkpoint: Checkpoint, tmp_path: Path) -> None:
    config = replace(tiny_checkpoint.config, conv_clamp=None)  # type: ignore[type-var]
    loud = _loud(replace(tiny_checkpoint, config=config), "b16.conv1", 1e5)
    bundle = export_bundle(loud, tmp_path / "bundle", ExportOptions(precision="fp16"), threads=1)
    kept = bundle.manifest.float32_layers
    assert kept == ("synthesis.b16.conv1", "synthesis.b16.torgb")
    first = bundle.parity()["audit"][0]
    assert (first["layer"], first["reason"]) == ("synthesis.b16.conv1", "overflow")
    assert first["largest"] is None  # a bias that float16 cannot even hold


def test_layers_that_overflow_one_behind_the_other_are_found_at_once(
    tiny_checkpoint: Checkpoint, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = replace(tiny_checkpoint.config, conv_clamp=None)  # type: ignore[type-var]
    loud = replace(tiny_checkpoint, config=config, tensors=dict(tiny_checkpoint.tensors))
    for layer in ("b8.conv1", "b16.conv0"):
        loud.tensors[f"synthesis.{layer}.bias"] = loud.tensors[f"synthesis.{layer}.bias"] + np.float32(3.5e4)
    with caplog.at_level(logging.INFO, "wplus"):
        bundle = export_bundle(loud, tmp_path / "bundle", ExportOptions(precision="fp16"), threads=1)
    records = {record["layer"]: record for record in bundle.parity()["audit"]}
    for layer in ("synthesis.b8.conv1", "synthesis.b16.conv0"):
        assert records[layer]["reason"] == "overflow"
        assert records[layer]["largest"] > 4e4
    assert records["synthesis.b16.torgb"]["largest"] > 65504  # where all are rounded, infinities come before it
    assert caplog.text.count("Writing synthesis.onnx") == 2


def test_the_trial_of_the_audit_is_that_of_the_certificate(tiny_checkpoint: Checkpoint, tmp_path: Path) -> None:
    """It is not run twice; where it is, as `wplus verify --against` does, nothing else comes out."""
    bundle = export_bundle(tiny_checkpoint, tmp_path / "bundle", ExportOptions(precision="fp16"), threads=1)
    with Generator(tiny_checkpoint, device="cpu") as reference:
        again = compare(bundle, reference, full=False, threads=1)
    assert again["runtimes"] == bundle.parity()["runtimes"]
    assert again["cases"] == bundle.parity()["cases"]


def test_layers_that_lose_too_much_stay_in_float32(tmp_path: Path) -> None:
    """Those of a conditional network of large features, which OpenVINO's bfloat16 draws at 19 dB."""
    bundle = export_bundle(DATA / FILES["stylegan2"], tmp_path / "bundle", ExportOptions(precision="bf16"), threads=2)
    audit = bundle.parity()["audit"]
    assert audit
    assert all(record["reason"] == "loss" for record in audit)
    assert len(audit) < 11  # of as many


def test_as_few_layers_are_taken_as_will_do() -> None:
    losses = [("a", 40.0), ("b", 50.0), ("c", 50.0), ("d", 60.0)]
    assert _fewest(losses, 39.0) == 1
    assert _fewest([("a", 40.0), ("b", 40.0), ("c", 60.0)], 36.0) == 2
    assert _fewest([("a", 30.0), ("b", 30.0)], 27.0) == 2


def test_a_module_that_cannot_do_it_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    class Loud(nn.Module):
        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return torch.tanh((z[:, :, None, None].expand(-1, -1, 8, 8) * 1e4) * 1e4 / 1e8)

    with wplus.wrap(Loud(), z_dim=3, device="cpu") as generator, pytest.raises(ParityError):
        export_bundle(generator, tmp_path / "bundle", ExportOptions(precision="fp16"), threads=1)
    assert not (tmp_path / "bundle").exists()


def test_a_plain_generator_is_certified_in_half_precision(tmp_path: Path, dcgan_file: Path) -> None:
    bundle = export_bundle(dcgan_file, tmp_path / "bundle", ExportOptions(precision="fp16"), threads=1)
    weights = {tensor.name: tensor for tensor in onnx.load(bundle.graph_path("synthesis")).graph.initializer}
    assert weights["conv0.weight"].data_type == TensorProto.FLOAT16
    assert bundle.parity()["passed"]
