"""What executes a network: one runtime a file, all with the same face."""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

BackendName = Literal["auto", "torch", "onnxruntime", "openvino", "tensorrt"]
Precision = Literal["exact", "fast"]
Array = Any  # numpy or torch

__all__ = ["Array", "Backend", "BackendName", "Precision"]


class Backend(Protocol):
    """A network, ready to run. Arrays may be numpy's or torch's; either may come back.

    One that leads from z to picture and truncates on the way (`GraphBackend`) also takes psi and cutoff when it draws.
    """

    name: str
    device: str
    precision: Precision
    dtype: str  # of the feature maps: "float32", "bfloat16", "float16"

    def map(self, z: Array, c: Array | None, psi: Array, cutoff: Array) -> Array:
        """z `[N, z_dim]`, c `[N, c_dim]` or None, psi `[N]`, cutoff `[N]` int64 to ws `[N, num_ws, w_dim]`."""

    def synthesize(
        self,
        latents: Array,
        noise: Mapping[str, Array] | None,
        *,
        c: Array | None = None,
        transform: Array | None = None,
    ) -> Array:
        """ws (z in a family without W) to img `[N, C, H, W]`.

        Args:
            noise: By name; None for the stored constants.
            c: `[N, c_dim]`, the label in a conditional family without W.
            transform: `[N, 3, 3]`, in a family that has one.
        """

    def images(
        self,
        latents: Array,
        noise: Mapping[str, Array] | None,
        *,
        c: Array | None = None,
        transform: Array | None = None,
    ) -> Array:
        """The same as uint8 `[N, H, W, C]`."""

    def close(self) -> None:
        """Frees everything."""
