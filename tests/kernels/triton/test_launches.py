"""What the networks would launch on a GPU: every host function at real sizes, recorded and not run."""

from math import prod

import pytest
import torch
from triton_tools.budgets import as_on_a_gpu
from triton_tools.launches import NETWORKS, Network, launch_network, launch_paths
from triton_tools.recording import Launch, TensorArgument, recording_driver

pytestmark = pytest.mark.aot

_PICTURES = ("_torgb_kernel", "_to_uint8_kernel", "_upfirdn2d_kernel")  # may have the running picture, float32
_FORWARD = [network for network in NETWORKS if not network.has_gradients]
_COUNTS = {
    "StyleGAN2-1024": {"_convolution_kernel": 17, "_upfirdn2d_kernel": 8, "_torgb_kernel": 9, "_to_uint8_kernel": 1},
    "StyleGAN3-T-512": {"_convolution_kernel": 15, "_filtered_lrelu_fwd_kernel": 14, "_to_uint8_kernel": 1},
    "StyleGAN3-R-512": {"_convolution_kernel": 15, "_filtered_lrelu_fwd_kernel": 14, "_to_uint8_kernel": 1},
}


def _launches(network: Network, dtype: torch.dtype) -> list[Launch]:
    with as_on_a_gpu(), recording_driver(90, compiles=False) as recording:
        launch_network(network, dtype)
    return recording.launches


@pytest.mark.parametrize("network", _FORWARD, ids=lambda network: network.name)
def test_a_picture_takes_so_many_launches_and_no_other(network: Network) -> None:
    names = [launch.kernel for launch in _launches(network, torch.float16)]
    assert {name: names.count(name) for name in names} == _COUNTS[network.name]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_grids_cover_the_results_and_arguments_are_as_the_kernels_read_them(
    network: Network, dtype: torch.dtype
) -> None:
    for launch in _launches(network, dtype):
        assert all(0 < size < 65536 for size in launch.grid[1:])
        assert 0 < launch.grid[0] < 2**31
        _check_tensors(launch, dtype)
        if launch.kernel == "_convolution_kernel":
            _check_convolution(launch)
        elif launch.kernel in ("_upfirdn2d_kernel", "_torgb_kernel"):
            _check_rows(launch)
        elif launch.kernel.startswith("_filtered_lrelu"):
            _check_tiles(launch)


def _check_tensors(launch: Launch, dtype: torch.dtype) -> None:
    """Pictures lie channels last, dense, in the features' type; small tensors are dense float32."""
    for name, value in launch.arguments.items():
        if not isinstance(value, TensorArgument):
            continue
        assert value.aligned, f"{launch.kernel}: {name} does not start at a multiple of 16 bytes"
        if name in ("x_ptr", "y_ptr", "grad_ptr", "before_ptr", "x_grad_ptr") and len(value.shape) == 4:
            _, channels, height, width = value.shape
            is_bytes = launch.kernel == "_to_uint8_kernel"
            assert is_bytes or value.strides == (height * width * channels, 1, width * channels, channels)
            assert value.dtype == dtype or launch.kernel in _PICTURES
        elif name not in ("w_ptr", "img_ptr", "y_ptr"):
            assert value.dtype == torch.float32
            assert value.strides[-1] == 1


def _check_convolution(launch: Launch) -> None:
    given = launch.arguments
    x, w, y = (given[name] for name in ("x_ptr", "w_ptr", "y_ptr"))
    assert isinstance(x, TensorArgument)
    assert isinstance(w, TensorArgument)
    assert isinstance(y, TensorArgument)
    up = given["UP"]
    assert isinstance(up, int)
    assert (given["C_OUT"], given["C_IN"]) == w.shape[:2] == (y.shape[1], x.shape[1])
    assert (given["in_height"], given["out_height"]) == (x.shape[2], y.shape[2])
    assert (w.strides[0], w.strides[1], w.strides[3]) == tuple(
        given[f"stride_w_{axis}"] for axis in ("out", "in", "tap")
    )
    assert w.strides[2] == w.shape[3] * w.strides[3]
    pixels = y.shape[0] * -(-y.shape[2] // up) * -(-y.shape[3] // up)  # of the largest phase
    tiles = -(-pixels // _number(launch, "BLOCK_M")) * -(-y.shape[1] // _number(launch, "BLOCK_N"))
    assert launch.grid == (tiles, up**2, 1)


def _check_rows(launch: Launch) -> None:
    y = launch.arguments["y_ptr"]
    assert isinstance(y, TensorArgument)
    places = prod(launch.grid) * _number(launch, "BLOCK_M")
    channels = 1 if launch.kernel == "_torgb_kernel" else -(-y.shape[1] // _number(launch, "BLOCK_C"))
    assert places >= y.shape[0] * y.shape[2] * y.shape[3] * channels


def _check_tiles(launch: Launch) -> None:
    stored = launch.arguments["x_grad_ptr" if "bwd" in launch.kernel else "y_ptr"]
    assert isinstance(stored, TensorArgument)
    count, channels, height, width = stored.shape
    step, each = _number(launch, "STEP"), _number(launch, "CHANNELS") * _number(launch, "REPEATS")
    assert launch.grid == (-(-height // step) * -(-width // step), -(-channels // each), count)


def _number(launch: Launch, name: str) -> int:
    value = launch.arguments[name]
    assert isinstance(value, int)
    return value


def test_a_path_takes_one_launch() -> None:
    with as_on_a_gpu(), recording_driver(80, compiles=False) as recording:
        launch_paths()
    assert [launch.kernel for launch in recording.launches] == ["_latent_path_kernel"] * 6
    assert {launch.grid for launch in recording.launches} == {(60, 18, 1)}
