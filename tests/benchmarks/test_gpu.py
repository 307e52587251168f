"""The GPU benchmark without a GPU: its dry mode, its judgement, and what it says where it cannot run."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from wplus.benchmarks import gpu_checks
from wplus.benchmarks.gpu import GpuOptions, main, run_gpu
from wplus.benchmarks.gpu_cases import TINY
from wplus.benchmarks.gpu_contestants import Choice, Contestant, builders
from wplus.benchmarks.gpu_device import find_device, time_alternately
from wplus.benchmarks.gpu_operations import operations
from wplus.benchmarks.gpu_ops import compile_operators
from wplus.benchmarks.gpu_workers import compile_networks
from wplus.benchmarks.layers import layers_of
from wplus.benchmarks.rows import read_csv
from wplus.errors import ParityError, UnsupportedError


def test_a_dry_run_goes_all_the_way(tmp_path: Path) -> None:
    out = tmp_path / "results.csv"
    result = CliRunner().invoke(
        main, ["--dry", "--out", str(out), "--seconds", "0.001", "--dtypes", "float32,bfloat16"]
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    rows = read_csv(out)
    assert len({row.key for row in rows}) == len(rows)
    assert {row.metric for row in rows} == {
        "error_forward", "error_backward", "max_abs", "copy_rate", "matrix_product", "op_forward",
        "op_forward_backward", "rate", "latency", "peak_memory", "arithmetic", "share_of_matrix_product",
    }  # fmt: skip
    assert all(row.machine.startswith("dry run without a GPU; ") for row in rows)
    timed = {(row.case, row.dtype, row.batch, row.implementation) for row in rows if row.metric == "rate"}
    names = ("nvidia-formulation eager", "wplus eager", "wplus triton", "wplus torch (CUDA graph)")
    cases = ("stylegan2-16", "stylegan3-t-16", "stylegan3-r-16")
    assert timed == {
        (case, dtype, batch, name)
        for case in cases for dtype in ("float32", "bfloat16") for batch in (1, 2) for name in names
    }  # fmt: skip
    for row in rows:
        if row.metric == "rate":
            assert 0 < row.p20 <= row.median <= row.p80
            assert row.psnr_db is not None
            assert row.psnr_db > 40
            assert (row.ratio_float32 is not None) == (row.dtype == "bfloat16")
    text = out.with_suffix(".md").read_text(encoding="utf-8")
    assert text in result.output
    assert "NVIDIA's own code: not measured" in text
    assert "modulated_conv2d b8.conv0 | 4 | float32 | forward and backward" in text
    assert out.with_suffix(".samples.json").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_says_what_to_do() -> None:
    with pytest.raises(UnsupportedError, match=r"no NVIDIA GPU.*--dry"):
        find_device(dry=False)
    result = CliRunner().invoke(main, [])
    assert result.exit_code == 1
    assert "--dry" in result.output


def test_a_wrong_operator_is_named_and_nothing_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = gpu_checks.filtered_lrelu
    calls = []

    def wrong(*args: object, **options: object) -> torch.Tensor:
        calls.append(options)
        factor = 1.0 + 1e-3 * (len(calls) == 1)  # the tested one comes first
        return factor * right(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(gpu_checks, "filtered_lrelu", wrong)
    with pytest.raises(ParityError, match=r"Nothing was timed.*\n- filtered_lrelu up 2 down 2, float32, result"):
        run_gpu(GpuOptions(dry=True, only="checks", dtypes=("float32",)))


def test_a_finding_is_red_beyond_its_limit_or_if_it_is_no_number() -> None:
    finding = gpu_checks.Finding(
        name="op", dtype=torch.float16, is_gradient=False, error=1e-3, limit=1e-3, largest=20.0
    )  # fmt: skip
    assert not finding.is_red
    assert replace(finding, error=1.1e-3).is_red
    assert replace(finding, largest=20.1).is_red
    assert replace(finding, error=float("nan")).is_red
    assert "op, float16, result: relative RMS error 1.0e-03 (at most 1.0e-03)" in str(finding)


def test_what_runs_out_of_memory_is_left_out_and_others_are_timed() -> None:
    def fails() -> None:
        raise torch.OutOfMemoryError

    samples = time_alternately(
        {"one": lambda: None, "large": fails}, find_device(dry=True), seconds=0, queued=True
    )  # fmt: skip
    assert list(samples) == ["one"]
    assert len(samples["one"]) >= 2


def test_time_that_is_up_is_noted(tmp_path: Path) -> None:
    found = run_gpu(GpuOptions(dry=True, only="networks", dtypes=("float32",), minutes=0))
    assert {row.metric for row in found.report.rows} == {
        "error_forward", "error_backward", "max_abs", "copy_rate", "matrix_product"
    }  # fmt: skip
    assert "Time was up: stylegan2-16, float32, batch 1 was not timed." in found.text
    found.write(tmp_path / "few.csv")
    assert (tmp_path / "few.md").exists()


_NETWORKS = """
from wplus.benchmarks.random_networks import stylegan2_config
from wplus.networks.stylegan2 import StyleGAN2

class Generator(StyleGAN2):
    def __init__(self, z_dim, c_dim, w_dim, img_resolution, img_channels, mapping_kwargs, synthesis_kwargs):
        assert (c_dim, img_channels, synthesis_kwargs["num_fp16_res"]) == (0, 3, 0)
        super().__init__(stylegan2_config(
            img_resolution, channel_base=synthesis_kwargs["channel_base"], channel_max=synthesis_kwargs["channel_max"],
            latent_dim=w_dim, num_mapping_layers=mapping_kwargs["num_layers"],
        ))
        draw = self.synthesis.forward
        self.synthesis.forward = lambda ws, noise_mode, force_fp32: draw(ws)
"""


@pytest.fixture
def nvlabs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder laid out as NVIDIA's stylegan2-ada-pytorch, with a network of ours in it."""
    path = tmp_path / "stylegan2-ada-pytorch"
    files = {"training/networks.py": _NETWORKS}
    files |= {f"torch_utils/ops/{name}.py": "def _init(): return True" for name in ("bias_act", "upfirdn2d")}
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield path
    for name in [name for name in sys.modules if name.split(".")[0] in ("training", "torch_utils")]:
        del sys.modules[name]


def test_a_checkout_of_nvidias_takes_part_as_far_as_it_can(nvlabs: Path) -> None:
    options = GpuOptions(dry=True, only="networks", cases=("stylegan2-16", "stylegan3-t-16"), dtypes=("float32",))
    found = run_gpu(replace(options, seconds=0.001, choice=Choice(nvlabs=nvlabs)))
    rows = [row for row in found.report.rows if row.implementation.startswith("nvlabs") and row.metric == "rate"]
    assert {(row.case, row.implementation) for row in rows} == {("stylegan2-16", "nvlabs, reference operators")}
    assert all(row.max_abs is not None and row.max_abs < 1e-4 for row in rows)
    compiled = "nvlabs, compiled operators was not measured on stylegan2-16, float32, batch 1: NVIDIA's compiled"
    assert f"{compiled} operators need a GPU." in found.text
    assert "holds no network of NVIDIA's of the family stylegan3-t." in found.text


def test_a_contestant_that_draws_wrong_pictures_or_fails_is_told_and_makes_the_run_red(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def build(*given: Any) -> dict[str, Any]:
        right = builders(*given)
        baseline = right["nvidia-formulation eager"]()

        def fails(_: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("no such kernel")

        wrong = Contestant(name="wplus wrong", synthesize=lambda ws: baseline.synthesize(ws) * 1.1)
        broken = Contestant(name="wplus broken", synthesize=fails)
        return right | {"wplus wrong": lambda: wrong, "wplus broken": lambda: broken}

    monkeypatch.setattr("wplus.benchmarks.gpu_networks.builders", build)
    options = GpuOptions(dry=True, only="networks", cases=("stylegan2-16",), dtypes=("float32",), seconds=0.001)
    found = run_gpu(options)
    assert found.is_red
    assert "wplus wrong was not measured on stylegan2-16, float32, batch 1: its pictures are wrong" in found.text
    assert "wplus broken was not measured on stylegan2-16, float32, batch 2: it failed with RuntimeError" in found.text
    assert not [row for row in found.report.rows if row.implementation in ("wplus wrong", "wplus broken")]


def test_every_kind_of_layer_and_operator_is_compiled_ahead(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "wplus.benchmarks")
    device = find_device(dry=True)
    kinds = {"1": 1, "others": 2}  # batches that Triton compiles anew for
    compiled = compile_networks(tuple(TINY), torch.float32, tuple(kinds.values()), device, seconds=100)
    assert compiled > 2 * len(layers_of(TINY["stylegan2-16"]))
    assert compiled % len(kinds) == 0
    assert compile_networks(tuple(TINY), torch.float32, (1,), device, seconds=0) == 0
    assert compile_operators(torch.float32, device, seconds=100) == len(list(operations(torch.float32, device)))
    assert "failed" not in caplog.text
