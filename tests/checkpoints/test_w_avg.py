"""The mean w that stands in for a missing w_avg."""

from pathlib import Path

import numpy as np
import torch

from wplus.checkpoints import read_checkpoint
from wplus.checkpoints.w_avg import mean_w


def test_the_mean_is_that_of_torch_over_the_same_z(data: Path) -> None:
    checkpoint = read_checkpoint(data / "golden_sg2_cond_32.pkl")
    config, tensors = checkpoint.config, {k: torch.from_numpy(v).double() for k, v in checkpoint.tensors.items()}

    def normalise(x: torch.Tensor) -> torch.Tensor:
        return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()

    z = torch.from_numpy(np.random.RandomState(123).randn(10_000, config.z_dim))
    label = tensors["mapping.embed.bias"].expand(10_000, -1)  # the label of zeros leaves the bias alone
    x = torch.cat([normalise(z), normalise(label)], dim=1)
    for i in range(config.num_mapping_layers):
        weight, bias = tensors[f"mapping.fc{i}.weight"], tensors[f"mapping.fc{i}.bias"]
        x = torch.nn.functional.linear(x, weight * 0.01 / weight.shape[1] ** 0.5, bias * 0.01)
        x = torch.nn.functional.leaky_relu(x, 0.2) * 2**0.5
    average = mean_w(config, checkpoint.tensors)
    assert average.dtype == np.float32
    np.testing.assert_allclose(average, x.mean(dim=0).numpy(), rtol=1e-6)
