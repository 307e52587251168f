"""What is done to the exporter's graph: functions inlined, constants folded, operations that change nothing removed.

These are the passes that PyTorch's exporter runs itself where it is let, without one rewriting rule: "x + 0 is x" takes
the 1e-8 under a square root for a zero, and a root of zero is then divided by. And one of ours.
"""

import onnx_ir as ir
from onnx_ir.passes import common
from onnxscript import optimizer, rewriter
from onnxscript.rewriter.rules import common as rules

from wplus.export.noise_maps import keep_maps_narrow

_STEPS = 2  # folding uncovers more to fold
_RULES = (
    *rules.mul_by_1_rule.commute(),
    rules.div_by_1_rule,
    rules.cast_cast_rule,
    rules.collapse_slice_rule,
    rules.collapse_slice2_rule,
    rules.fuse_pad_into_conv_rule,
    rules.materialize_reshape_shape_rule,
    rules.no_op_cast_rule,
    rules.no_op_expand_rule,
    rules.no_op_transpose_rule,
    rules.normalize_pad_format_conv_rule,
    rules.remove_optional_bias_from_conv_rule,
    rules.remove_optional_bias_from_conv_transpose_rule,
    rules.remove_optional_bias_from_gemm_rule,
    rules.reshape_reshape_rule,
    rules.squeeze_reshape_1d_rule,
    rules.transpose_transpose_rule,
    rules.unsqueeze_unsqueeze_rule,
)


def fold(model: ir.Model) -> None:
    """Simplifies a graph in place."""
    optimizer.inline(model)
    for _ in range(_STEPS):
        optimizer.fold_constants(model)
        rewriter.RewritePass(_RULES)(model)
        optimizer.remove_unused_nodes(model)
    keep_maps_narrow(model)
    for step in (
        common.RemoveUnusedFunctionsPass(),  # type: ignore[no-untyped-call]
        common.RemoveUnusedOpsetsPass(),
        common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        common.CommonSubexpressionEliminationPass(),
        common.OutputFixPass(),
        common.NameFixPass(),
        common.ShapeInferencePass(),
    ):
        step(model)
