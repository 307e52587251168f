"""Every error that wplus raises on its own account.

WplusError
├── CheckpointError        a file is missing, damaged, hostile, or not a generator
├── UnsupportedError       the request is understood, but this network, backend or machine cannot serve it
├── LatentMismatchError    a latent, direction or bundle belongs to another generator
├── ArtifactError          a file we were to write could not be written whole, or one of ours reads back wrong
└── ParityError            an exported graph draws other pictures than the network it came from

Wrong arguments are plain ValueError and TypeError.
"""

__all__ = [
    "ArtifactError",
    "CheckpointError",
    "LatentMismatchError",
    "ParityError",
    "UnsupportedError",
    "WplusError",
]


class WplusError(Exception):
    """Root of every error of ours."""


class CheckpointError(WplusError):
    """A checkpoint is missing, damaged, hostile, or holds no generator that we know."""


class UnsupportedError(WplusError):
    """The request is understood, but this network, backend or machine cannot serve it."""


class LatentMismatchError(WplusError):
    """A latent belongs to another generator than the one that it was given to."""


class ArtifactError(WplusError):
    """A file could not be written whole, or a file of ours reads back wrong."""


class ParityError(WplusError):
    """An exported graph draws other pictures than the network it came from."""
