"""How an inversion proceeds: one frozen description, and the presets."""

from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from wplus.latents import check_seed

SearchSpace = Literal["z", "w", "w+"]
Preset = Literal["default", "fast", "nvidia"]
OptimizerName = Literal["adam", "lbfgs"]

DEFAULT_LOSS = "squared"
DEFAULT_SEARCH_LOSS = "pixel"  # finds better minima of what the generator cannot draw, and ends a little farther away
GRAPH_LOSSES = (DEFAULT_LOSS, DEFAULT_SEARCH_LOSS)  # those that a bundle's graph of a step computes


@dataclass(frozen=True, slots=True, kw_only=True)
class InvertConfig:
    """What is optimised, from where, for how long, and what holds it back.

    Raises:
        ValueError: a number is out of range.
    """

    space: SearchSpace = "w+"  # W+ is released from the best w; networks without W have z alone
    num_steps: int = 1000  # of one picture, over all stages
    optimizer: OptimizerName = "adam"  # L-BFGS comes to the end of a smooth way in fewer steps, of any length
    learning_rate: float = 0.05  # in standard deviations of W where it is whitened, else in w's own unit
    rampup: float = 0.05  # part of a stage in which the rate grows
    rampdown: float = 0.5  # part of a stage in which it falls to 0
    betas: tuple[float, float] = (0.9, 0.99)  # Adam's
    is_whitened: bool = True  # steps along the principal axes of W, each in its own standard deviation
    loss: str | None = None  # of the last stage, see `losses.make_loss`; None: the default one
    search_loss: str | None = None  # of the stages before; None: as `loss`, where that is said; see `losses`
    candidates: int | None = None  # latents drawn at random, the best of which are started from; None: by resolution
    starts: int = 8  # of them that are optimised side by side; those that fall behind are given up
    w_noise: float = 0.0  # of the random shift of w, at first, in the standard deviation of W
    prior_weight: float | None = None  # of the squared distance to w_avg in W's own metric; None: by the goal
    spread_weight: float = 0.0  # W+: of the squared distance of the slots from their mean, in the same metric
    optimizes_noise: bool = False  # the noise maps too; they are stored with the latent
    starts_from_random_noise: bool = False  # and not from the stored maps, where they are optimised
    noise_weight: float = 1e5  # of the noise maps' correlation with themselves, shifted
    optimizes_transform: bool = False  # StyleGAN3: also how its picture lies
    anchors_transform: bool = False  # StyleGAN3: the slot from which it learns how the picture lies stays w_avg
    stops_at: float | None = None  # the loss at which a picture is done
    patience: int = 100  # steps at a falling rate without an improvement of a thousandth, then it is done; 0: never
    seed: int = 303

    @property
    def losses(self) -> tuple[str, str]:
        """Of the search, and of the last stage. L-BFGS, which is for speed, has one."""
        search = DEFAULT_SEARCH_LOSS if self.optimizer == "adam" else DEFAULT_LOSS
        return self.search_loss or self.loss or search, self.loss or DEFAULT_LOSS

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if self.space not in get_args(SearchSpace):
            raise ValueError(f"space is {self.space!r}; known: {', '.join(get_args(SearchSpace))}.")
        if self.optimizer not in get_args(OptimizerName):
            raise ValueError(f"optimizer is {self.optimizer!r}; known: {', '.join(get_args(OptimizerName))}.")
        if self.optimizer == "lbfgs" and (self.optimizes_noise or self.w_noise):
            raise ValueError("L-BFGS goes down one smooth way: noise maps, and w_noise, need optimizer='adam'.")
        if self.anchors_transform and self.space == "z":
            raise ValueError("A z has no slots, and anchoring holds one of W+: space='w' or 'w+'.")
        least: dict[str, float] = {
            "num_steps": 1,
            "starts": 1,
            "candidates": 0,
            "patience": 0,
            "w_noise": 0,
            "prior_weight": 0,
            "spread_weight": 0,
            "noise_weight": 0,
            "stops_at": 0,
        }
        for name, bound in least.items():
            value = getattr(self, name)
            if value is not None and not bound <= value < float("inf"):
                raise ValueError(f"{name} is {value}; a finite number of at least {bound} is needed.")
        if not 0 < self.learning_rate < float("inf"):
            raise ValueError(f"learning_rate is {self.learning_rate}; a finite number above 0 is needed.")
        if not (0 <= self.rampup <= 1 and 0 <= self.rampdown <= 1):
            raise ValueError(f"rampup is {self.rampup} and rampdown {self.rampdown}; both are parts, from 0 to 1.")


_PRESETS: dict[Preset, dict[str, Any]] = {
    "default": {},
    # L-BFGS from few starts, and hardly a prior to pay for: a given loss in the fewest seconds.
    "fast": {
        "space": "w",
        "num_steps": 200,
        "optimizer": "lbfgs",
        "candidates": 128,
        "starts": 4,
        "prior_weight": 1e-7,
        "patience": 30,
    },
    # Karras et al. 2020 (StyleGAN2), appendix D, in the numbers of the published projector: from w_avg, in W, with all
    # noise maps, Adam at 0.1 with ramps, noise on w that fades over three quarters of the way.
    "nvidia": {
        "space": "w",
        "num_steps": 1000,
        "learning_rate": 0.1,
        "rampdown": 0.25,
        "betas": (0.9, 0.999),
        "is_whitened": False,
        "candidates": 0,
        "starts": 1,
        "w_noise": 0.05,
        "prior_weight": 0.0,
        "optimizes_noise": True,
        "starts_from_random_noise": True,
        "patience": 0,
    },
}


def make_config(preset: Preset = "default", **changes: Any) -> InvertConfig:
    """The preset's configuration with some fields changed; None leaves a field as the preset has it.

    Raises:
        ValueError: there is no such preset, or a number is out of range.
        TypeError: there is no such field.
    """
    if preset not in _PRESETS:
        raise ValueError(f"preset is {preset!r}; known: {', '.join(_PRESETS)}.")
    given = {name: value for name, value in changes.items() if value is not None}
    return replace(InvertConfig(**_PRESETS[preset]), **given)
