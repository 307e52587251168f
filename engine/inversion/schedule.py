"""The stages of an inversion: many starts on small pictures, then fewer on whole ones, then one."""

import math
from dataclasses import dataclass

from wplus.inversion.config import InvertConfig, SearchSpace


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Some steps in one space."""

    steps: int
    starts: int  # rows a picture, all of which take the steps
    space: SearchSpace
    is_coarse: bool  # on small pictures
    learning_rate: float


def stages_of(config: InvertConfig, *, has_coarse: bool, is_given: bool = False) -> list[Stage]:
    """The stages, whose steps add up to `num_steps`.

    A part of the steps goes to all starts, on small pictures where the network draws them; with Adam, which is slower
    to tell them apart, another part to the best quarter of them; and the rest to the best one, in the space that was
    asked for, W+ after W. All of them go to one start that was given.
    """
    rate = config.learning_rate
    if is_given:
        return [Stage(steps=config.num_steps, starts=1, space=config.space, is_coarse=False, learning_rate=rate)]
    is_adam = config.optimizer == "adam"
    searching = config.num_steps // (6 if is_adam else 10) if config.starts > 1 else 0
    first: SearchSpace = "z" if config.space == "z" else "w"
    stages = [Stage(steps=searching, starts=config.starts, space=first, is_coarse=has_coarse, learning_rate=rate)]
    if is_adam:
        quarter = max(1, config.starts // 4)
        stages.append(Stage(steps=searching, starts=quarter, space=first, is_coarse=False, learning_rate=rate * 0.6))
    rest = config.num_steps - sum(stage.steps for stage in stages)
    if config.space == "w+" and not (searching and is_adam):  # W first all the same
        stages.append(Stage(steps=rest // 2, starts=1, space="w", is_coarse=False, learning_rate=rate))
        rest -= rest // 2
    is_refining = searching and config.space != "w+"  # what was searched for already, and not more numbers
    rate *= 0.6 if is_refining else 1
    stages.append(Stage(steps=rest, starts=1, space=config.space, is_coarse=False, learning_rate=rate))
    return [stage for stage in stages if stage.steps]


def rate_at(step: int, steps: int, config: InvertConfig) -> float:
    """The factor of the learning rate, from 0 to 1: a linear rise, a stretch of 1, and half a cosine down.

    Source: Karras et al. 2020 (StyleGAN2), appendix D.
    """
    t = step / steps
    ramp = min(1.0, (1 - t) / config.rampdown) if config.rampdown else 1.0
    ramp = 0.5 - 0.5 * math.cos(ramp * math.pi)
    return ramp * min(1.0, (t + 1 / steps) / config.rampup) if config.rampup else ramp
