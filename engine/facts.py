"""What a generator is: what its configuration and provenance answer."""

from wplus.checkpoints.checkpoint import Provenance
from wplus.config import Config, StyleConfig
from wplus.errors import UnsupportedError


class Facts:
    """Base of `Generator`, which sets the three attributes."""

    config: Config
    provenance: Provenance
    name: str  # of the source, without folders: pictures carry it

    @property
    def family(self) -> str:
        """ "stylegan2" or "plain"."""
        return self.config.family

    @property
    def parent(self) -> str | None:
        """Fingerprint of the generator that this one was tuned from; its latents are accepted."""
        return self.provenance.parent

    @property
    def z_dim(self) -> int:
        """Numbers in one z."""
        return self.config.z_dim

    @property
    def z_shape(self) -> tuple[int, ...]:
        """Shape of one z."""
        return self.config.z_shape

    @property
    def c_dim(self) -> int:
        """Classes; 0 in an unconditional network."""
        return self.config.c_dim

    @property
    def w_dim(self) -> int:
        """Numbers in one w."""
        return self.style_config("w_dim").w_dim

    @property
    def num_ws(self) -> int:
        """Style inputs: the w's in one latent of W+."""
        return self.style_config("num_ws").num_ws

    @property
    def default_cutoff(self) -> int:
        """Style inputs that truncation acts on where nobody says how many: all but in StyleGAN1, which stores it."""
        config = self.style_config("Truncation")
        return config.num_ws if config.truncation_cutoff is None else config.truncation_cutoff

    @property
    def has_w(self) -> bool:
        """Whether it has a W space."""
        return self.config.has_w

    @property
    def has_truncation(self) -> bool:
        """Whether pictures can be drawn toward the mean, be it that no w is ever seen (a bundle of one graph)."""
        return self.config.has_w

    @property
    def has_noise(self) -> bool:
        """Whether noise is added to its features."""
        return bool(getattr(self.config, "use_noise", False))

    @property
    def has_transform(self) -> bool:
        """Whether the network itself can move and turn its picture."""
        return self.config.has_transform

    @property
    def img_resolution(self) -> int:
        """Pixels of the longer side."""
        return self.config.img_resolution

    @property
    def img_shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.config.img_shape

    @property
    def img_channels(self) -> int:
        """Channels of the picture, 1 to 4."""
        return self.config.img_channels

    def style_config(self, what: str) -> StyleConfig:
        """The configuration of a family with W.

        Raises:
            UnsupportedError: this one has none.
        """
        if not isinstance(self.config, StyleConfig):
            raise UnsupportedError(
                f"{what} needs a W space, which the family {self.family} ({self.name}) lacks: its latent is z "
                f"{list(self.z_shape)}, and synthesize takes that."
            )
        return self.config
