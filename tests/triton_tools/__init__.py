"""How Triton kernels are proven without a GPU: interpreted on CPU tensors, compiled for chips, their launches recorded.

`interpreter` runs them (TRITON_INTERPRET=1, set before triton is imported), `compiled` compiles one kernel for one chip
and reports what it takes of it, `recording` runs our launchers and keeps what they would have launched.

The tools replace private parts of Triton. They are written for triton 3.7.1, and their tests say whether they hold.
"""
