"""Bundles with bytes in place of graphs, for what only looks at the folder."""

from pathlib import Path

from wplus.bundle import Bundle, GraphSpec, Manifest, Port, new_bundle, read_bundle, write_manifest
from wplus.checkpoints import Checkpoint, Provenance, fingerprint
from wplus.config import StyleGAN2Config
from wplus.manifest import GraphPrecision

_CONFIG = StyleGAN2Config(z_dim=8, c_dim=0, img_channels=3, w_dim=8, img_resolution=16, channels=(8, 8, 8))


def write_bundle(folder: Path, checkpoint: Checkpoint | None = None, precision: GraphPrecision = "fp32") -> Bundle:
    """A whole bundle whose graphs nobody can run."""
    ws, img = Port("ws", "float32", ("N", 6, 8)), Port("img", "float32", ("N", 3, 16, 16))
    manifest = Manifest(
        config=_CONFIG if checkpoint is None else checkpoint.config,
        fingerprint="wplus1:0123456789abcdef"
        if checkpoint is None
        else fingerprint(checkpoint.config, checkpoint.tensors),
        provenance=Provenance(source="tiny.pkl", sha256="0" * 64, format="pickle"),
        precision=precision,
        opset=18,
        ir_version=8,
        graphs={
            "mapping": GraphSpec(file="mapping.onnx", inputs=(Port("z", "float32", ("N", 8)),), outputs=(ws,)),
            "synthesis": GraphSpec(file="synthesis.onnx", inputs=(ws,), outputs=(img,)),
        },
        parameters=123,
    )
    with new_bundle(folder) as temporary:
        for graph in manifest.graphs.values():
            (temporary / graph.file).write_bytes(b"graph " * 100)
        write_manifest(temporary, manifest)
    return read_bundle(folder)
