"""The operators in Triton; imported by `ops.py` and `ends.py` alone, when they run."""

__all__: list[str] = []
