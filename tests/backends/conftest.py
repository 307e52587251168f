"""Bundles of small networks, not certified, in the variants that the tests ask for."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from support import DATA

from wplus.bundle import NOISE, PARITY, Bundle, Manifest, write_json, write_manifest
from wplus.checkpoints import Checkpoint, fingerprint, read_checkpoint
from wplus.export.options import ExportOptions
from wplus.export.spec import plan_graphs
from wplus.export.to_onnx import trace
from wplus.inputs import noise_constants
from wplus.networks import build_network

NETWORKS = {
    "conditional": "golden_sg2_cond_32.pkl",
    "stylegan3": "golden_sg3t_64.pkl",
}

MakeBundle = Callable[..., Bundle]


@pytest.fixture(scope="session")
def checkpoint_of(tiny_checkpoint: Checkpoint) -> Callable[[str], Checkpoint]:
    """A function from a network's name, "tiny" or one in `NETWORKS`, to its checkpoint."""

    @cache
    def read(network: str) -> Checkpoint:
        return tiny_checkpoint if network == "tiny" else read_checkpoint(DATA / NETWORKS[network])

    return read


@pytest.fixture(scope="session")
def make_bundle(checkpoint_of: Callable[[str], Checkpoint], tmp_path_factory: pytest.TempPathFactory) -> MakeBundle:
    """A function (network, options of the export) to its bundle; nothing is traced twice."""

    @cache
    def make(network: str = "tiny", **options: Any) -> Bundle:
        folder = tmp_path_factory.mktemp(network)
        return _write(checkpoint_of(network), folder, ExportOptions(**options))

    return make


@pytest.fixture
def certify(tmp_path: Path) -> Callable[..., Bundle]:
    """A function (bundle, one dict per runtime) to a copy of the bundle with such a parity.json."""

    def write(bundle: Bundle, *records: dict[str, Any], **changes: Any) -> Bundle:
        folder = tmp_path / "certified"
        folder.mkdir()
        for name in bundle.manifest.files:
            (folder / name).hardlink_to(bundle.folder / name)
        usual = {"provider": "", "version": "1", "device": "cpu", "emulated": False, "reasons": []}
        content = {
            "format_version": 1,
            "run": "quick",
            "passed": True,
            "graph": {},
            "cases": {},
            "runtimes": [usual | record for record in records],
        }
        write_json(folder / PARITY, content)
        return write_manifest(folder, replace(bundle.manifest, **changes))

    return write


def _write(checkpoint: Checkpoint, folder: Path, options: ExportOptions) -> Bundle:
    network = build_network(checkpoint)
    network.prepare(torch.float32)  # type: ignore[operator]
    constants = noise_constants(checkpoint)
    shapes = {name: (value.shape[-2], value.shape[-1]) for name, value in constants.items()}
    plans = plan_graphs(checkpoint.config, shapes, options)
    for plan in plans:
        onnx.save(trace(network, plan, options, torch.float32), folder / plan.spec.file)
    if options.noise == "input":
        np.savez(folder / NOISE, **constants)  # type: ignore[arg-type]
    manifest = Manifest(
        config=checkpoint.config,
        fingerprint=fingerprint(checkpoint.config, checkpoint.tensors),
        provenance=checkpoint.provenance,
        opset=options.lowest_opset,
        ir_version=8,
        noise=options.noise,
        output=options.output,
        max_batch=options.max_batch,
        graphs={plan.name: plan.spec for plan in plans},
        parameters=1,
    )
    return write_manifest(folder, manifest)
