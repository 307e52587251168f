"""The operators in Triton; imported by `wplus.kernels.ops` alone, when they run."""

__all__: list[str] = []
