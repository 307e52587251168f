"""A bundle with the graph of a step of inversion."""

from collections.abc import Iterator

import pytest

import wplus
from wplus.bundle import Bundle
from wplus.checkpoints import Checkpoint
from wplus.export import ExportOptions, export_bundle
from wplus.generator import Generator


@pytest.fixture(scope="session")
def step_bundle(tiny_checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Of the tiny network, its noise an input."""
    folder = tmp_path_factory.mktemp("step") / "bundle"
    return export_bundle(tiny_checkpoint, folder, ExportOptions(noise="input", inversion=True, max_batch=4), threads=1)


@pytest.fixture(params=["onnxruntime", "openvino"])
def drawn_by(request: pytest.FixtureRequest, step_bundle: Bundle) -> Iterator[Generator]:
    """That bundle in each runtime."""
    with wplus.load(step_bundle.folder, backend=request.param, threads=1) as generator:
        yield generator
