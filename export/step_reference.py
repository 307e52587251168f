"""Loss and gradients of a step of inversion as the network in PyTorch gives them."""

import torch
from torch import Tensor

from wplus.bundle import Bundle
from wplus.generator import Generator
from wplus.inversion.losses import make_loss
from wplus.inversion.spaces import NOISE
from wplus.step_cases import StepCases, StepReference, kept


def reference_steps(bundle: Bundle, generator: Generator, cases: StepCases) -> StepReference:
    """What autograd gives for the cases, one at a time.

    Args:
        bundle: Whose noise is stored, an input or none.
        generator: The network in PyTorch, exact.
        cases: Of steps.
    """
    losses, gradients = [], []
    for row in range(len(cases)):
        terms = zip(cases.factors[row], bundle.manifest.inversion_losses, strict=True)
        loss = make_loss("+".join(f"{factor:g}*{name}" for factor, name in terms))
        latents = {
            key: torch.tensor(value[row : row + 1], device=generator.device, requires_grad=key != "c")
            for key, value in cases.latents.items()
        }
        target, weight = (
            torch.tensor(value[row : row + 1], device=generator.device) for value in (cases.target, cases.weight)
        )
        with torch.enable_grad():
            value = loss(_picture(bundle, generator, latents), target, weight)
        leaves = {key: latent for key, latent in latents.items() if latent.requires_grad}
        losses.append(value.detach())
        gradients.append(torch.autograd.grad(value.sum(), list(leaves.values())))
    joined = dict(zip(leaves, map(torch.cat, zip(*gradients, strict=True)), strict=True))
    return StepReference(
        loss=torch.cat(losses).cpu().numpy(),
        gradients={key: kept(key, value.cpu().numpy()) for key, value in joined.items()},
    )


def _picture(bundle: Bundle, generator: Generator, latents: dict[str, Tensor]) -> Tensor:
    options = {key: value for key, value in latents.items() if key in ("c", "transform")}
    maps = {key.removeprefix(NOISE): value for key, value in latents.items() if key.startswith(NOISE)}
    noise = None if bundle.manifest.noise == "const" else maps
    start = latents["ws"] if "ws" in latents else latents["z"]
    img: Tensor = generator.network.synthesize(start, noise=noise, dtype=torch.float32, **options)
    return img
