"""`export_bundle`: graphs, manifest and certificate, all of them or nothing."""

import logging
from collections.abc import Iterator, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from wplus.bundle import NOISE, Bundle, new_bundle, write_manifest
from wplus.checkpoints.checkpoint import Checkpoint
from wplus.export.audit import audit
from wplus.export.certificate import certify, examine
from wplus.export.naming import derived
from wplus.export.options import ExportOptions
from wplus.export.spec import plan_graphs, plan_step
from wplus.export.subject import Subject, subject_of
from wplus.export.to_onnx import save, trace, trace_step
from wplus.generator import Generator
from wplus.inversion.config import GRAPH_LOSSES
from wplus.manifest import DerivedConstant, GraphPrecision, Manifest
from wplus.threads import usable_cpus

_log = logging.getLogger(__name__)

_TYPES: dict[GraphPrecision, torch.dtype] = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
_LEAST_LISTED = 256  # bytes of a derived constant that the manifest names
_NOT_LEARNED = ("_filter", ".noise_const")


def export_bundle(
    source: str | Path | Checkpoint | Generator,
    outdir: str | Path,
    options: ExportOptions | None = None,
    *,
    threads: int | None = None,
) -> Bundle:
    """Writes a network's graphs, and proves that they draw what the network draws.

    Args:
        source: What `wplus.load` takes, a checkpoint in memory, or a `Generator` that PyTorch runs, such as
            `wplus.wrap` makes of a module.
        outdir: The bundle's folder, which must not be there yet.
        options: Which variant; None: float32, noise stored, mapping and synthesis apart.
        threads: CPU threads; None: the CPUs that this process may use.

    Raises:
        ArtifactError: the folder exists or cannot be written.
        CheckpointError: the source holds no generator.
        ParityError: the graphs draw other pictures than the network; nothing was left behind.
        UnsupportedError: the network cannot be expressed in the graphs that were asked for.
    """
    options = options or ExportOptions()
    outdir = Path(outdir)
    with new_bundle(outdir) as folder:
        subject = subject_of(source, threads=threads)
        threads = threads or usable_cpus()
        write = partial(_write_graphs, subject, folder, options)
        bundle, found = write(), None
        _log.info("Comparing the graphs with the network ...")
        with examine(bundle, subject.reference, full=options.full) as exam:
            if options.precision != "fp32":
                bundle, found = audit(bundle, write, exam, threads=threads)
            bundle = certify(bundle, exam, threads=threads, audit=found)
    return Bundle(folder=outdir, manifest=bundle.manifest)


def _write_graphs(subject: Subject, folder: Path, options: ExportOptions, float32_layers: Sequence[str] = ()) -> Bundle:
    network, dtype = subject.build(), _TYPES[options.precision]
    sizes = {name: tensor.numel() for name, tensor in network.state_dict().items()}
    network.prepare(dtype, float32_layers=float32_layers)
    constants: list[DerivedConstant] = []
    plans = plan_graphs(subject.config, subject.noise_shapes, options)
    for plan in plans:
        _log.info("Writing %s", plan.spec.file)
        model = trace(network, plan, options, dtype)
        save(model, folder / plan.spec.file)
        constants += _derived(model, sizes)
    step = plan_step(subject.config, subject.noise_shapes, options) if options.inversion else None
    if step is not None:
        _log.info("Writing %s", step.spec.file)
        model = trace_step(network, step, options)
        save(model, folder / step.spec.file)
        constants += _derived(model, sizes)
    if options.noise == "input" and subject.noise:
        np.savez(folder / NOISE, **subject.noise)  # type: ignore[arg-type]
    manifest = Manifest(
        config=subject.config,
        fingerprint=subject.fingerprint_of([folder / plan.spec.file for plan in plans]),
        provenance=subject.provenance_of_bundle,
        precision=options.precision,
        float32_layers=tuple(float32_layers),
        opset=options.opset or options.lowest_opset,
        ir_version=model.ir_version,
        noise=options.noise,
        output=options.output,
        max_batch=options.max_batch,
        graphs={plan.name: plan.spec for plan in plans},
        inversion=step.spec if step else None,
        inversion_losses=GRAPH_LOSSES if step else (),
        parameters=sum(size for name, size in sizes.items() if not name.endswith(_NOT_LEARNED)),
        derived_constants=tuple(constants),
        versions={name: metadata.version(name) for name in ("wplus", "torch", "onnx", "onnxscript")},
    )
    return write_manifest(folder, manifest)


def _derived(model: onnx.ModelProto, sizes: dict[str, int]) -> Iterator[DerivedConstant]:
    for tensor in derived(model.graph, sizes):
        size = numpy_helper.to_array(tensor).nbytes
        if size >= _LEAST_LISTED:
            yield DerivedConstant(name=tensor.name, shape=tuple(tensor.dims), bytes=size)
