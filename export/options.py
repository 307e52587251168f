"""What an export is asked for."""

from dataclasses import dataclass
from typing import get_args

from wplus.manifest import GraphPrecision, NoiseVariant, OutputType

LOWEST_OPSET = 18  # the first that PyTorch's exporter writes by itself
LOWEST_BFLOAT16_OPSET = 22  # before it, convolutions have no bfloat16
HIGHEST_OPSET = 23  # the last that onnxruntime 1.20 and later load


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """One variant of a network's graphs.

    Raises:
        ValueError: a choice is unknown, or the opset cannot express it.
    """

    precision: GraphPrecision = "fp32"  # of the feature maps and their weights; inputs and outputs stay float32
    opset: int | None = None  # None: the lowest that serves
    noise: NoiseVariant = "const"  # stored maps, none, or every map an input
    single: bool = False  # one graph from z to picture in place of mapping and synthesis
    output: OutputType = "float"  # or "uint8": bytes [N, H, W, C]
    max_batch: int | None = None  # most samples that the graphs are to take; None: any number
    inversion: bool = False  # also a graph of the loss and its gradients, for wplus.inversion
    full: bool = False  # certify over 32 seeds and three batch sizes, not 8 and two

    def __post_init__(self) -> None:
        choices = {"precision": GraphPrecision, "noise": NoiseVariant, "output": OutputType}
        for name, kind in choices.items():
            if getattr(self, name) not in get_args(kind):
                raise ValueError(f"{name} is {getattr(self, name)!r}; known: {', '.join(get_args(kind))}.")
        if self.inversion and (self.precision != "fp32" or self.single):
            given = "single" if self.single else f"precision {self.precision!r}"
            raise ValueError(
                f"inversion is asked for with {given}; its graph leads from ws, which a single graph hides, and is "
                "float32, which runtimes make fast by themselves: leave both --single and --precision out."
            )
        if self.max_batch is not None and self.max_batch < 1:
            raise ValueError(f"max_batch is {self.max_batch}; it must be at least 1.")
        if self.opset is not None and not self.lowest_opset <= self.opset <= HIGHEST_OPSET:
            raise ValueError(
                f"opset is {self.opset}; {self.precision} graphs are written in {self.lowest_opset} to {HIGHEST_OPSET}."
            )

    @property
    def lowest_opset(self) -> int:
        """The lowest opset that expresses the precision."""
        return LOWEST_BFLOAT16_OPSET if self.precision == "bf16" else LOWEST_OPSET
