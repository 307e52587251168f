"""Which pictures may be timed."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from wplus.backends import Precision
from wplus.benchmarks.cell import Cell, time_cell
from wplus.benchmarks.contestants import BASELINE, Contestant, Entry
from wplus.errors import ParityError, UnsupportedError

WS = torch.zeros(2, 6, 16)
IMG = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1


def contestant(entry: Entry, synthesize: Callable[[Tensor], object]) -> Contestant:
    dtype = torch.float32 if entry.precision == "exact" else torch.bfloat16
    return Contestant(entry=entry, dtype=dtype, synthesize=synthesize)


def cell_with(synthesize: Callable[[Tensor], object], *, precision: Precision, kind: str = "wplus") -> Cell:
    """The baseline, and one that draws by `synthesize`."""
    other = contestant(Entry(kind=kind, precision=precision), synthesize)  # type: ignore[arg-type]
    baseline = contestant(BASELINE, lambda _: IMG)
    return time_cell([baseline, other], WS, family="stylegan2", rounds=3, seconds=1)


def test_wrong_exact_pictures_stop_the_run_before_anything_is_timed() -> None:
    calls = 0

    def wrong(_: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return IMG + 0.01

    with pytest.raises(ParityError, match=r"wplus torch float32 draws other pictures.*largest difference is 1.00e-02"):
        cell_with(wrong, precision="exact")
    assert calls == 1


def test_wrong_fast_pictures_are_left_out_with_the_figures() -> None:
    cell = cell_with(lambda _: IMG * 0.9, precision="fast")
    assert set(cell.samples) == {"nvidia-formulation eager float32"}
    assert "at least 40 are needed" in cell.left_out["wplus torch bfloat16"]


def test_what_refuses_by_itself_is_left_out_with_its_words() -> None:
    def refuse(_: Tensor) -> Tensor:
        raise ParityError("numbers that are not finite")

    assert cell_with(refuse, precision="fast").left_out == {"wplus torch bfloat16": "numbers that are not finite"}
    with pytest.raises(ParityError, match="not finite"):
        cell_with(refuse, precision="exact")


def test_what_does_not_compile_is_left_out_in_either_precision() -> None:
    def fail(_: Tensor) -> Tensor:
        raise UnsupportedError("torch.compile fails")

    for precision in ("exact", "fast"):
        left_out = cell_with(fail, precision=precision).left_out  # type: ignore[arg-type]
        assert list(left_out.values()) == ["torch.compile fails"]


def test_the_reference_in_half_precision_is_timed_however_much_it_rounds() -> None:
    cell = cell_with(lambda _: IMG * 0.9, precision="fast", kind="nvidia")
    assert cell.left_out == {}
    assert cell.differences["nvidia-formulation eager bfloat16"].psnr_db < 40
    assert "NaN" in str(cell_with(lambda _: IMG * math.nan, precision="fast", kind="nvidia").left_out)


def test_numpy_and_torch_are_timed_alike() -> None:
    cell = cell_with(lambda _: np.asarray(IMG), precision="exact")
    assert cell.differences["wplus torch float32"].max_abs == 0
    assert len(cell.samples["wplus torch float32"]) == len(cell.again) >= 3
    assert cell.excess >= 0
