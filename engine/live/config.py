"""How a show is run."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveConfig:
    """What a show does besides drawing."""

    folder: Path | None = None  # that the walk's files are relative to; None: the current one
    budget: bool = False  # draw cheaper pictures where whole ones would be late
    autosave: Path | None = None  # the state, kept while the show runs
    restore: bool = False  # begin with what the autosave says
    autosave_seconds: float = 3.0
    record_dir: Path = field(default_factory=Path)  # recordings without a name go here
    allow_mismatch: bool = False  # draw latents of another generator
    retry_seconds: float = 0.5  # before a failed renderer is started again; doubles each time
    longest_retry: float = 15.0

    def __post_init__(self) -> None:
        if self.restore and self.autosave is None:
            raise ValueError("restore begins with what an autosave says, and no autosave is named.")
        if self.autosave_seconds <= 0 or not 0 < self.retry_seconds <= self.longest_retry:
            raise ValueError(
                f"autosave_seconds is {self.autosave_seconds}, retry_seconds {self.retry_seconds} and longest_retry "
                f"{self.longest_retry}; all must be positive, and the last the longest of the two."
            )
