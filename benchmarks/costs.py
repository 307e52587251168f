"""What a network costs beside drawing: export, loading, the first picture, copying out, memory."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from wplus.backends.arrays import to_bytes
from wplus.benchmarks.cases import Case
from wplus.benchmarks.contestants import Contestant, Entry
from wplus.benchmarks.loading import time_bundle_loading, time_loading
from wplus.benchmarks.processes import LoadTask, SynthesisTask, first_picture_seconds, peak_mib
from wplus.benchmarks.recorder import Recorder
from wplus.benchmarks.subject import Subject
from wplus.kernels import to_uint8
from wplus.timing import alternate

_REPEATS = 3
_COPIES = 15


def record_costs(
    case: Case, subject: Subject, contestants: Sequence[Contestant], recorder: Recorder, threads: int
) -> None:
    """The rows of one case, most of them measured in processes of their own."""
    if subject.export_seconds is not None:
        recorder.add("wplus.export", torch.float32, 1, "export", "s", [subject.export_seconds])
    if subject.checkpoint is not None:
        for suffix, samples in time_loading(subject.checkpoint, threads=threads).items():
            recorder.add("wplus.load", torch.float32, 1, f"load_{suffix}", "s", samples)
    for one in contestants:
        entry = one.entry
        if entry.is_runtime:
            folder = subject.bundle().folder
            samples = time_bundle_loading(folder, entry.backend, entry.precision, threads=threads)
            recorder.add(entry.implementation, one.dtype, 1, "load_bundle", "s", samples)
    if case.first_picture:
        _record_first_pictures(subject, contestants, recorder, threads)
    _record_copying(subject, max(case.batches), recorder)
    _record_peaks(subject, contestants, max(case.batches), recorder, threads)


def _record_first_pictures(
    subject: Subject, contestants: Sequence[Contestant], recorder: Recorder, threads: int
) -> None:
    """Of what `wplus.load` gives: a checkpoint in PyTorch, a bundle in each runtime."""
    for one in contestants:
        if one.entry.kind == "wplus":
            task = _load_task(subject, one.entry, 1, threads, method="images")
            samples = [first_picture_seconds(task) for _ in range(_REPEATS)]
            recorder.add(one.entry.implementation, one.dtype, 1, "first_picture", "s", samples)


def _record_copying(subject: Subject, batch: int, recorder: Recorder) -> None:
    """From pictures as they are drawn to the bytes that a user saves, which is all that is ever copied.

    Runtimes on the CPU write float32 pictures where the caller finds them, and those of PyTorch are numpy's as well.
    """
    height, width = subject.config.img_shape
    img = torch.linspace(-1, 1, batch * subject.config.img_channels * height * width)
    img = img.reshape(batch, -1, height, width)
    array = np.asarray(img)
    runs: dict[str, Callable[[], object]] = {"wplus runtimes": lambda: to_bytes(array)}
    if subject.checkpoint is not None:
        runs["wplus torch"] = lambda: to_uint8(img).numpy()
    for run in runs.values():
        run()
    for name, samples in alternate(runs, max_rounds=_COPIES).items():
        recorder.add(name, torch.float32, batch, "copy_out", "ms", [1e3 * second for second in samples])


def _record_peaks(
    subject: Subject, contestants: Sequence[Contestant], batch: int, recorder: Recorder, threads: int
) -> None:
    for one in contestants:
        task: LoadTask | SynthesisTask
        if one.entry.is_runtime:
            method = "images" if subject.bundle().manifest.output == "uint8" else "synthesize"
            task = _load_task(subject, one.entry, batch, threads, method=method)
        else:
            assert subject.network is not None
            task = SynthesisTask(network=subject.network, entry=one.entry, batch=batch, threads=threads)
        recorder.add(one.entry.implementation, one.dtype, batch, "peak_memory", "MiB", [peak_mib(task)])


def _load_task(subject: Subject, entry: Entry, batch: int, threads: int, **more: Any) -> LoadTask:
    source = subject.bundle().folder if entry.is_runtime else subject.file()
    how: dict[str, Any] = {"backend": entry.backend, "precision": entry.precision, "threads": threads}
    if entry.is_runtime and subject.bundle().manifest.noise == "none":
        how["noise_mode"] = "none"
    return LoadTask(source=str(source), batch=batch, **how, **more)
