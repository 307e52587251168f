"""Noise maps stay one channel wide.

A layer ends in scale * y + noise + bias, where noise [H, W] and bias [C, 1, 1] are constants. OpenVINO 2026.4 adds the
two when it loads a graph, and holds [C, H, W] for each layer: 1 GB in all of a StyleGAN2 of 1024 px. The same sum as
scale * (y + bias / scale) + noise leaves it nothing to add, and costs a division by channel.
"""

from typing import Any

import onnx_ir as ir
from onnxscript import rewriter
from onnxscript.rewriter.pattern import RewriteRule


def keep_maps_narrow(model: ir.Model) -> None:
    """Rewrites every such sum in place."""
    rewriter.RewritePass(_RULES)(model)


def _sum(op: Any, y: Any, scale: Any, noise: Any, bias: Any) -> Any:
    return op.Add(op.Add(noise, op.Mul(y, scale)), bias)


def _narrow_sum(op: Any, y: Any, scale: Any, noise: Any, bias: Any) -> Any:
    return op.Add(op.Mul(op.Add(y, op.Div(bias, scale)), scale), noise)


def _is_of_constants(_: Any, noise: ir.Value, bias: ir.Value, scale: ir.Value, **__: Any) -> bool:
    of_channels = bias.shape is not None and len(bias.shape) == 3 and list(bias.shape)[1:] == [1, 1]
    return of_channels and _is_constant(bias) and _is_constant(noise) and _is_never_zero(scale)


def _is_constant(value: ir.Value) -> bool:
    """Whether it comes of initialisers alone."""
    waiting = [value]
    while waiting:
        source = waiting.pop()
        maker = source.producer()
        if maker is None and not source.is_initializer():
            return False
        waiting += [] if maker is None else [one for one in maker.inputs if one is not None]
    return True


def _is_never_zero(scale: ir.Value) -> bool:
    """Whether it is a reciprocal, as demodulation is, times constants that are not 0: a module of the user's own may
    have any other scale."""
    while (maker := scale.producer()) is not None and maker.op_type != "Reciprocal":
        rest = [one for one in maker.inputs if one is not None and one.const_value is None]
        factors = [one.const_value.numpy() for one in maker.inputs if one is not None and one.const_value is not None]
        if maker.op_type not in ("Unsqueeze", "Reshape", "Cast", "Mul") or len(rest) != 1:
            return False
        if maker.op_type == "Mul" and not all(factor.all() for factor in factors):
            return False
        (scale,) = rest
    return maker is not None


_RULES = RewriteRule(_sum, _narrow_sum, _is_of_constants).commute()
