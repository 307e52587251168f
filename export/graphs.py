"""The modules that are traced: one a graph, with the graph's inputs in their order."""

from typing import Any

import torch
from torch import Tensor, nn

from wplus.export.options import ExportOptions
from wplus.export.spec import Plan

Inputs = tuple[Tensor, ...]


class Graph(nn.Module):
    """A network with the face of one graph.

    Args:
        network: One of `wplus.networks`, prepared for `dtype`.
        plan: What goes in and comes out.
        options: Of the export.
        dtype: Type of the feature maps.
    """

    def __init__(self, network: nn.Module, plan: Plan, options: ExportOptions, dtype: torch.dtype) -> None:
        super().__init__()
        self.network: Any = network
        self.plan, self.options, self.dtype = plan, options, dtype

    def forward(self, inputs: Inputs) -> Tensor:
        """The graph's output."""
        given = dict(zip((port.name for port in self.plan.inputs), inputs, strict=True))
        latents = given.pop("ws") if "ws" in given else given.pop("z")
        c = given.pop("c", None)
        if "truncation_psi" in given:
            latents = self.network.map(latents, c, given.pop("truncation_psi"), given.pop("truncation_cutoff"))
            c = None
        if self.plan.name == "mapping":
            ws: Tensor = latents
            return ws
        return self._picture(latents, c, given.pop("transform", None), given)

    def _picture(self, latents: Tensor, c: Tensor | None, transform: Tensor | None, noise: dict[str, Tensor]) -> Tensor:
        maps = None if self.options.noise == "const" else noise
        extra = {name: value for name, value in (("c", c), ("transform", transform)) if value is not None}
        img: Tensor = self.network.synthesize(latents, noise=maps, dtype=self.dtype, **extra)
        if self.options.output == "float":
            return img
        # As `kernels.to_uint8`, but in the order that TensorRT takes: bytes may only be the last node's.
        return (img * 127.5 + 128).clamp(0, 255).permute(0, 2, 3, 1).to(torch.uint8)
