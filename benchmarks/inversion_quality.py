"""How well pictures are found again in the default budget: whole ones, and from measurements."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wplus.benchmarks.inversion_pictures import Origin, make_pictures, similarities
from wplus.benchmarks.recorder import Recorder
from wplus.benchmarks.total_variation import least_squares, reconstruct
from wplus.errors import UnsupportedError
from wplus.generator import Generator
from wplus.inversion.config import SearchSpace
from wplus.inversion.goals import PictureGoal
from wplus.inversion.measurements import Measurements, measure
from wplus.inversion.operators import make_operator
from wplus.inversion.run import invert
from wplus.inversion.starts import Candidates

_FIRST_SEED = 8000
_PLAIN_CANDIDATES, _PLAIN_STEPS = 512, 300  # what many write themselves, at the best of the rates 0.02, 0.05 and 0.1
_PLAIN: dict[str, Any] = {"is_whitened": False, "learning_rate": 0.1, "prior_weight": 0, "patience": 0}
_log = logging.getLogger(__name__)

_Array = NDArray[np.float32]
_Solve = Callable[[_Array], _Array]  # targets of one picture, or its measurements, to the picture found


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityCase:
    """Which pictures are looked for, where, and through what."""

    origin: Origin
    space: SearchSpace
    operator: str = ""  # nothing: the whole pictures
    has_opponents: bool = False  # least squares and total variation, which know no generator

    @property
    def name(self) -> str:
        """For rows and tables."""
        through = f" from {self.operator}" if self.operator else ""
        return f"{self.origin} pictures in {self.space.upper()}{through}"


QUALITY: tuple[QualityCase, ...] = (
    QualityCase(origin="own", space="w"),
    QualityCase(origin="own", space="w+"),
    QualityCase(origin="rendered", space="w+"),
    QualityCase(origin="own", space="w+", operator="mask:0.1", has_opponents=True),
    QualityCase(origin="rendered", space="w+", operator="mask:0.1", has_opponents=True),
    QualityCase(origin="own", space="w+", operator="coded:512", has_opponents=True),
    QualityCase(origin="rendered", space="w+", operator="coded:512", has_opponents=True),
)


def measure_quality(
    G: Generator,
    recorder: Recorder,
    *,
    network: str,
    count: int,
    steps: int | None = None,
    cases: Sequence[QualityCase],
) -> None:
    """The rows of each case: PSNR and SSIM of `count` pictures, the least PSNR of them, and seconds a picture.

    Each picture is looked for alone, and pays for the statistics of W and the candidates; whole ones also by Adam on w
    itself from the best candidate. Measurements have no noise; their operators' seed is the same for all pictures.

    Args:
        G: The generator, with the network in PyTorch.
        recorder: Takes the rows.
        network: Its name in the rows.
        count: Of pictures.
        steps: Of one picture; None: as the default preset has it.
        cases: What is looked for.
    """
    seeds = range(_FIRST_SEED, _FIRST_SEED + count)
    through = " from measurements" if cases[0].operator else ""
    recorder.note(f"Pictures found again{through}: {count} of each kind.")
    for case in cases:
        _log.info("inversion: quality of %s", case.name)
        recorder.begin(f"{network}, {case.name}", G.img_resolution)
        pictures = make_pictures(G, case.origin, seeds)
        measured = None
        if case.operator:
            operator = make_operator(case.operator, img_shape=(G.img_channels, *G.img_shape))
            measured = measure(operator, torch.from_numpy(pictures), seeds=list(seeds))
        for name, solve in _solvers(G, case, measured, steps).items():
            try:
                _record(recorder, name, solve, measured, pictures)
            except UnsupportedError as exc:
                recorder.note(f"{name} took no part: {exc}")


def _solvers(G: Generator, case: QualityCase, measured: Measurements | None, steps: int | None) -> dict[str, _Solve]:
    operator = None if measured is None else measured.operator

    def ours(y: _Array) -> _Array:
        found = invert(G, y, operator=operator, space=case.space, steps=steps)
        img: _Array = G.synthesize(found.latents)
        return img

    def plain(y: _Array) -> _Array:
        candidates = Candidates(G, count=_PLAIN_CANDIDATES, seed=0, is_small=True)
        best = candidates.best(PictureGoal(y, None, "squared"), 0, 1)
        assert candidates.ws is not None
        start = candidates.ws[best, :1] if case.space == "w" else candidates.ws[best]
        found = invert(G, y, init=start, space=case.space, steps=steps or _PLAIN_STEPS, loss="squared", **_PLAIN)
        img: _Array = G.synthesize(found.latents)
        return img

    solvers: dict[str, _Solve] = {"wplus invert": ours}
    if operator is None:
        solvers[f"Adam, {_PLAIN_STEPS} steps from the best of {_PLAIN_CANDIDATES}"] = plain
    if case.has_opponents and operator is not None:
        solvers["least squares"] = lambda y: least_squares(operator, y)
        solvers["total variation"] = lambda y: reconstruct(operator, y, sigma=0)
    return solvers


def _record(recorder: Recorder, name: str, solve: _Solve, measured: Measurements | None, pictures: _Array) -> None:
    targets = pictures if measured is None else measured.y
    found, seconds = [], []
    for i in range(len(targets)):
        start = time.perf_counter()
        found.append(solve(targets[i : i + 1]))
        seconds.append(time.perf_counter() - start)
    values = similarities(np.concatenate(found), pictures, None if measured is None else measured.operator.grey)
    _log.info("inversion: %s, PSNR %s dB", name, " ".join(f"{value:.1f}" for value in values["psnr"]))
    recorder.add(name, torch.float32, 1, "psnr", "dB", values["psnr"])
    recorder.add(name, torch.float32, 1, "least_psnr", "dB", [min(values["psnr"])])
    recorder.add(name, torch.float32, 1, "ssim", "-", values["ssim"])
    if "grey_psnr" in values:
        recorder.add(name, torch.float32, 1, "grey_psnr", "dB", values["grey_psnr"])
        recorder.add(name, torch.float32, 1, "least_grey_psnr", "dB", [min(values["grey_psnr"])])
    recorder.add(name, torch.float32, 1, "seconds", "s", seconds)
