"""Engines run on whatever stands behind TensorRT's and CUDA's calls; real ones need a GPU."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
from tensorrt_fakes import FakeCuda, FakeTensorRT, fake_engine

from wplus.backends.gpu import Buffer, Gpu, Stream, find_gpu
from wplus.backends.tensorrt_session import EngineSession
from wplus.errors import ArtifactError, UnsupportedError, WplusError

_GPU = Gpu(index=0, name="a GPU", capability="8.9")
_ENGINE = fake_engine({"ws": [4, 8], "psi": []}, [3, 2, 2])


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    fake = FakeCuda()
    monkeypatch.setattr("wplus.backends.gpu.runtime", lambda: fake)
    return fake


def _session(cuda: FakeCuda, engine: bytes = _ENGINE, *, max_batch: int = 4, records: bool = True) -> EngineSession:
    return EngineSession(
        FakeTensorRT(cuda),
        engine,
        _GPU,
        max_batch=max_batch,
        make_context=lambda opened: opened.create_execution_context(),
        records=records,
    )


def _feeds(count: int, seed: int = 0) -> dict[str, Any]:
    random = np.random.RandomState(seed)
    return {
        "ws": random.randn(count, 4, 8).astype(np.float32),
        "psi": random.randn(count).astype(np.float32),
    }


def _expected(feeds: dict[str, Any]) -> Any:
    total = feeds["ws"].mean(axis=(1, 2)) + feeds["psi"]
    return np.broadcast_to(total[:, None, None, None], (len(total), 3, 2, 2))


@pytest.mark.parametrize("records", [True, False], ids=["recorded", "queued"])
def test_every_run_draws_its_own_inputs(cuda: FakeCuda, records: bool) -> None:
    session = _session(cuda, records=records)
    kept = []
    for seed in range(3):
        feeds = _feeds(3, seed)
        kept.append((session.run(feeds), _expected(feeds)))
    for found, expected in kept:  # compared at the end: a result is the caller's alone
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        assert found.dtype == np.float32
    session.close()


def test_commands_are_recorded_once_for_a_number_of_samples_and_then_replayed(cuda: FakeCuda) -> None:
    session = _session(cuda)
    for _ in range(5):
        session.run(_feeds(2))
    assert cuda.calls["cudaStreamBeginCapture"] == cuda.calls["cudaGraphInstantiate"] == 1
    assert cuda.calls["cudaGraphLaunch"] == 5
    session.run(_feeds(3))
    assert cuda.calls["cudaGraphInstantiate"] == 2


def test_more_samples_than_the_engine_takes_run_in_parts(cuda: FakeCuda) -> None:
    session = _session(cuda, max_batch=4)
    feeds = _feeds(11)
    np.testing.assert_allclose(session.run(feeds), _expected(feeds), rtol=1e-5)
    assert cuda.calls["cudaGraphLaunch"] == 3


def test_few_numbers_of_samples_stay_laid_out_and_closing_frees_everything(cuda: FakeCuda) -> None:
    session = _session(cuda, max_batch=16)
    for count in (1, 2, 3):
        session.run(_feeds(count))
    full = len(cuda.memory)
    for count in (4, 5, 1, 2, 3, 6):
        session.run(_feeds(count))
    assert len(cuda.memory) == full
    session.close()
    session.close()
    assert not cuda.memory
    assert not cuda.graphs
    assert not cuda.streams
    with pytest.raises(WplusError, match=r"closed. Load the generator again"):
        session.run(_feeds(1))


def test_bytes_and_int64_pass_as_they_are(cuda: FakeCuda) -> None:
    engine = fake_engine({"cutoff": []}, [2, 2, 3], {"cutoff": "int64", "out": "uint8"})
    found = _session(cuda, engine).run({"cutoff": np.array([3, 250])})
    assert found.dtype == np.uint8
    assert found[:, 0, 0, 0].tolist() == [3, 250]


def test_threads_take_turns(cuda: FakeCuda) -> None:
    session = _session(cuda)
    feeds = [_feeds(1 + seed % 4, seed) for seed in range(40)]
    with ThreadPoolExecutor(8) as pool:
        for given, found in zip(feeds, pool.map(session.run, feeds), strict=True):
            np.testing.assert_allclose(found, _expected(given), rtol=1e-5)


def test_an_engine_that_is_not_taken_leaves_nothing_behind(cuda: FakeCuda) -> None:
    with pytest.raises(ArtifactError, match="does not take an engine that was built for it and a GPU"):
        _session(cuda, b"bad")
    assert not cuda.streams


@pytest.mark.parametrize("method", ["set_input_shape", "execute_async_v3"])
def test_a_refusal_of_tensorrt_is_an_error_and_leaves_nothing_behind(cuda: FakeCuda, method: str) -> None:
    trt = FakeTensorRT(cuda)
    trt.refuses = method
    session = EngineSession(
        trt, _ENGINE, _GPU, max_batch=4, make_context=lambda opened: opened.create_execution_context(), records=True
    )
    with pytest.raises(WplusError, match="TensorRT refuses"):
        session.run(_feeds(1))
    assert not cuda.memory
    session.close()


@pytest.mark.parametrize("function", ["cudaMalloc", "cudaHostAlloc", "cudaGraphInstantiate"])
def test_memory_that_runs_out_is_an_error_and_leaves_nothing_behind(cuda: FakeCuda, function: str) -> None:
    session = _session(cuda)
    cuda.fails.add(function)
    with pytest.raises(WplusError, match=rf"{function} failed: cudaErrorMemoryAllocation. Ask for a smaller batch"):
        session.run(_feeds(1))
    assert not cuda.memory
    cuda.fails.clear()
    np.testing.assert_allclose(session.run(_feeds(1)), _expected(_feeds(1)), rtol=1e-5)


def test_a_gpu_is_found_by_its_name(cuda: FakeCuda) -> None:
    for device in ("auto", "cuda", "cuda:0"):
        assert find_gpu(device) == Gpu(index=0, name="NVIDIA GeForce RTX 4090", capability="8.9")
    with pytest.raises(UnsupportedError, match="device is 'cuda:1', and this machine has 1 NVIDIA GPUs"):
        find_gpu("cuda:1")
    with pytest.raises(UnsupportedError, match="device is 'cpu', and TensorRT runs on NVIDIA's GPUs"):
        find_gpu("cpu")
    cuda.devices.clear()
    with pytest.raises(UnsupportedError, match="No NVIDIA GPU can be used here: cudaGetDeviceCount failed: cudaError"):
        find_gpu("auto")


@pytest.mark.gpu
def test_copies_are_recorded_and_replayed_on_a_real_gpu() -> None:
    pytest.importorskip("cuda.bindings.runtime", reason="cuda-bindings is not installed")
    try:
        gpu = find_gpu("auto")
    except UnsupportedError as exc:
        pytest.skip(str(exc))
    stream = Stream(gpu)
    with ExitStack() as freeing:
        buffer = Buffer((3, 5), np.float32, freeing)
        replay = stream.record(lambda: (stream.upload(buffer), stream.download(buffer)), freeing)
        for value in (1, 2):
            buffer.host.fill(value)
            replay()
            stream.wait()
            assert (buffer.host == value).all()
    stream.close()
