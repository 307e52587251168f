"""The graphs of a network: names, shapes and example values of what goes in and comes out."""

from dataclasses import dataclass

import torch
from torch import Tensor

from wplus.bundle import GraphSpec, Port
from wplus.config import Config, StyleConfig
from wplus.export.options import ExportOptions

BATCH = "N"  # the dynamic axis
_EXAMPLES = 2  # samples that a graph is traced with: 1 would be taken for a constant


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One graph before it is traced."""

    name: str  # "mapping", "synthesis" or "generator"
    inputs: tuple[Port, ...]
    output: Port

    @property
    def spec(self) -> GraphSpec:
        """As the manifest lists it."""
        return GraphSpec(file=f"{self.name}.onnx", inputs=self.inputs, outputs=(self.output,))

    def examples(self) -> tuple[Tensor, ...]:
        """Values to trace with, in the inputs' order."""
        return tuple(_example(port) for port in self.inputs)


def plan_graphs(config: Config, noise_shapes: dict[str, tuple[int, int]], options: ExportOptions) -> list[Plan]:
    """The graphs that an export writes, in the order in which they run."""
    z, c = Port("z", "float32", (BATCH, *config.z_shape)), Port("c", "float32", (BATCH, config.c_dim))
    start = [z, *([c] if config.c_dim else [])]
    drawing = [Port(name, "float32", (BATCH, 1, *shape)) for name, shape in _noise_inputs(noise_shapes, options)]
    if config.has_transform:
        drawing.append(Port("transform", "float32", (BATCH, 3, 3)))
    img = _picture(config, options)
    if not isinstance(config, StyleConfig):
        return [Plan(name="synthesis", inputs=tuple(start), output=img)]
    start += [Port("truncation_psi", "float32", (BATCH,)), Port("truncation_cutoff", "int64", (BATCH,))]
    if options.single:
        return [Plan(name="generator", inputs=(*start, *drawing), output=img)]
    ws = Port("ws", "float32", (BATCH, config.num_ws, config.w_dim))
    return [
        Plan(name="mapping", inputs=tuple(start), output=ws),
        Plan(name="synthesis", inputs=(ws, *drawing), output=img),
    ]


def _noise_inputs(shapes: dict[str, tuple[int, int]], options: ExportOptions) -> list[tuple[str, tuple[int, int]]]:
    return list(shapes.items()) if options.noise == "input" else []


def _picture(config: Config, options: ExportOptions) -> Port:
    if options.output == "uint8":
        return Port("img", "uint8", (BATCH, *config.img_shape, config.img_channels))
    return Port("img", "float32", (BATCH, config.img_channels, *config.img_shape))


def _example(port: Port) -> Tensor:
    shape = [_EXAMPLES if side == BATCH else int(side) for side in port.shape]
    if port.dtype == "int64":
        return torch.ones(shape, dtype=torch.int64)
    if port.name == "transform":
        return torch.eye(3).expand(shape).contiguous()
    return torch.linspace(-1, 1, torch.Size(shape).numel()).reshape(shape)
