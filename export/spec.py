"""The graphs of a network: names, shapes and example values of what goes in and comes out."""

from dataclasses import dataclass

import torch
from torch import Tensor

from wplus.bundle import GRADIENT, LOSS_FACTORS, STEP, GraphSpec, Port
from wplus.config import Config, StyleConfig
from wplus.export.options import ExportOptions
from wplus.inversion.config import GRAPH_LOSSES

BATCH = "N"  # the dynamic axis
_EXAMPLES = 2  # samples that a graph is traced with: 1 would be taken for a constant


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One graph before it is traced."""

    name: str  # "mapping", "synthesis", "generator" or "invert_step"
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    @property
    def spec(self) -> GraphSpec:
        """As the manifest lists it."""
        return GraphSpec(file=f"{self.name}.onnx", inputs=self.inputs, outputs=self.outputs)

    def examples(self) -> tuple[Tensor, ...]:
        """Values to trace with, in the inputs' order."""
        return tuple(_example(port) for port in self.inputs)


def plan_graphs(config: Config, noise_shapes: dict[str, tuple[int, int]], options: ExportOptions) -> list[Plan]:
    """The graphs that an export writes, in the order in which they run."""
    z, c = Port("z", "float32", (BATCH, *config.z_shape)), Port("c", "float32", (BATCH, config.c_dim))
    start = [z, *([c] if config.c_dim else [])]
    drawing = _drawing(config, noise_shapes, options)
    img = _picture(config, options)
    if not isinstance(config, StyleConfig):
        return [Plan(name="synthesis", inputs=tuple(start), outputs=(img,))]
    start += [Port("truncation_psi", "float32", (BATCH,)), Port("truncation_cutoff", "int64", (BATCH,))]
    if options.single:
        return [Plan(name="generator", inputs=(*start, *drawing), outputs=(img,))]
    ws = Port("ws", "float32", (BATCH, config.num_ws, config.w_dim))
    return [
        Plan(name="mapping", inputs=tuple(start), outputs=(ws,)),
        Plan(name="synthesis", inputs=(ws, *drawing), outputs=(img,)),
    ]


def plan_step(config: Config, noise_shapes: dict[str, tuple[int, int]], options: ExportOptions) -> Plan:
    """The graph of one step of inversion: loss and gradients by latents, target, weight and losses' factors."""
    start: list[Port] = []
    if isinstance(config, StyleConfig):
        latents = [Port("ws", "float32", (BATCH, config.num_ws, config.w_dim))]
    else:
        latents = [Port("z", "float32", (BATCH, *config.z_shape))]
        start = [Port("c", "float32", (BATCH, config.c_dim))] if config.c_dim else []
    latents += _drawing(config, noise_shapes, options)
    return Plan(
        name=STEP,
        inputs=(
            *latents,
            *start,
            Port("target", "float32", (BATCH, config.img_channels, *config.img_shape)),
            Port("weight", "float32", (BATCH, 1, *config.img_shape)),
            Port(LOSS_FACTORS, "float32", (BATCH, len(GRAPH_LOSSES))),
        ),
        outputs=(
            Port("loss", "float32", (BATCH,)),
            *(Port(f"{GRADIENT}{port.name}", port.dtype, port.shape) for port in latents),
        ),
    )


def _drawing(config: Config, noise_shapes: dict[str, tuple[int, int]], options: ExportOptions) -> list[Port]:
    """What a synthesis takes beside its latents."""
    maps = noise_shapes.items() if options.noise == "input" else ()
    ports = [Port(name, "float32", (BATCH, 1, *shape)) for name, shape in maps]
    return [*ports, Port("transform", "float32", (BATCH, 3, 3))] if config.has_transform else ports


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
