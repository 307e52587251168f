"""StyleGAN3: its few hyperparameters, and the plan of its layers that follows from them."""

import math
from dataclasses import dataclass
from typing import ClassVar

from wplus.config.base import StyleConfig, need


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPlan:
    """One synthesis layer: convolution, then up-sampling, leaky ReLU and down-sampling."""

    name: str  # L<index>_<size>_<channels>
    in_channels: int
    out_channels: int
    in_size: int  # pixels, margins included
    out_size: int
    in_sampling_rate: int  # samples per unit of the picture
    out_sampling_rate: int
    in_cutoff: float  # cycles per unit of the picture
    out_cutoff: float
    in_half_width: float  # of the transition band
    out_half_width: float
    is_critically_sampled: bool
    is_torgb: bool  # no filters, no demodulation
    conv_kernel: int
    up: int
    down: int
    up_taps: int
    down_taps: int
    is_radial: bool  # whether the down-sampling filter is a disc's, [down_taps, down_taps]

    @property
    def padding(self) -> tuple[int, int]:
        """Samples before and after the up-sampled picture that give `out_size` in the end; negative ones crop."""
        total = (self.out_size - 1) * self.down + 1 - (self.in_size + self.conv_kernel - 1) * self.up
        total += self.up_taps + self.down_taps - 2
        before = (total + self.up) // 2
        return before, total - before


@dataclass(frozen=True, slots=True, kw_only=True)
class StyleGAN3Config(StyleConfig):
    """A StyleGAN3 generator.

    Source: Karras et al. 2021 (StyleGAN3), section 3.2, appendix F.1.
    """

    has_transform: ClassVar[bool] = True

    channels: tuple[int, ...]  # of the input, then output channels of each layer but the last
    conv_kernel: int = 3  # 1 makes it StyleGAN3-R
    use_radial_filters: bool = False  # in layers that are not critically sampled
    num_critical: int = 2  # layers at the end that are critically sampled
    first_cutoff: float = 2.0  # cycles per unit of the picture
    first_stopband: float = 2**2.1
    last_stopband_rel: float = 2**0.3  # the last stopband, as a multiple of the last cutoff
    margin_size: int = 10  # samples around the picture
    output_scale: float = 0.25
    filter_size: int = 6  # taps per sample of the lower rate
    lrelu_upsampling: int = 2  # of the nonlinearity
    conv_clamp: float | None = 256.0

    def __post_init__(self) -> None:
        StyleConfig.__post_init__(self)
        need(self.conv_kernel % 2 == 1, f"conv_kernel is {self.conv_kernel}; an odd number is needed")
        need(min(self.channels) >= 1, f"channels are {self.channels}; each must be at least 1")
        need(0 < self.num_critical < self.num_layers, f"num_critical is {self.num_critical} of {self.num_layers}")
        need(self.margin_size >= 0, f"margin_size is {self.margin_size}; at least 0 is needed")
        need(min(self.filter_size, self.lrelu_upsampling) >= 1, "filter_size and lrelu_upsampling must be at least 1")
        last_cutoff = self.img_resolution / 2
        need(
            0 < self.first_cutoff < self.first_stopband and self.first_cutoff < last_cutoff,
            f"first_cutoff is {self.first_cutoff}; it must lie below first_stopband {self.first_stopband} and half the "
            f"resolution, {last_cutoff}",
        )
        need(self.last_stopband_rel > 1, f"last_stopband_rel is {self.last_stopband_rel}; more than 1 is needed")
        for layer in self.layers:
            exact = layer.up * layer.in_sampling_rate == layer.down * layer.out_sampling_rate
            need(exact and layer.up >= 1 and layer.down >= 1, f"{layer.name} does not up-sample by a whole number")

    @property
    def family(self) -> str:  # type: ignore[override]  # one class, two families
        """ "stylegan3-r" where convolutions are 1x1, so that nothing tells directions apart; else "stylegan3-t"."""
        return "stylegan3-r" if self.conv_kernel == 1 else "stylegan3-t"

    @property
    def num_layers(self) -> int:
        """Layers with filters; torgb comes on top."""
        return len(self.channels)

    @property
    def num_ws(self) -> int:
        """Style inputs: one a layer, one for the Fourier features, one for torgb."""
        return self.num_layers + 2

    @property
    def sizes(self) -> tuple[int, ...]:
        """Side of each layer's output in samples, margins included, torgb's last."""
        sizes = [self._sampling_rate(i) + 2 * self.margin_size for i in range(self.num_layers + 1)]
        return (*sizes[:-2], self.img_resolution, self.img_resolution)

    @property
    def layers(self) -> tuple[LayerPlan, ...]:
        """All layers in order; the last is torgb."""
        return tuple(self._layer(index) for index in range(self.num_layers + 1))

    def _layer(self, index: int) -> LayerPlan:
        before, is_torgb = max(index - 1, 0), index == self.num_layers
        is_critical = index >= self.num_layers - self.num_critical
        rates = self._sampling_rate(before), self._sampling_rate(index)
        inside = max(rates) * (1 if is_torgb else self.lrelu_upsampling)
        up, down = inside // rates[0], inside // rates[1]
        widths = (*self.channels, self.img_channels)
        return LayerPlan(
            name=f"L{index}_{self.sizes[index]}_{widths[index]}",
            in_channels=widths[before],
            out_channels=widths[index],
            in_size=self.sizes[before],
            out_size=self.sizes[index],
            in_sampling_rate=rates[0],
            out_sampling_rate=rates[1],
            in_cutoff=self._cutoff(before),
            out_cutoff=self._cutoff(index),
            in_half_width=self._half_width(before),
            out_half_width=self._half_width(index),
            is_critically_sampled=is_critical,
            is_torgb=is_torgb,
            conv_kernel=1 if is_torgb else self.conv_kernel,
            up=up,
            down=down,
            up_taps=1 if is_torgb or up == 1 else self.filter_size * up,
            down_taps=1 if is_torgb or down == 1 else self.filter_size * down,
            is_radial=self.use_radial_filters and not is_critical,
        )

    def _progress(self, index: int) -> float:
        return min(index / (self.num_layers - self.num_critical), 1)

    def _cutoff(self, index: int) -> float:
        last_cutoff = self.img_resolution / 2
        return float(self.first_cutoff * (last_cutoff / self.first_cutoff) ** self._progress(index))

    def _stopband(self, index: int) -> float:
        last_stopband = self.img_resolution / 2 * self.last_stopband_rel
        return float(self.first_stopband * (last_stopband / self.first_stopband) ** self._progress(index))

    def _sampling_rate(self, index: int) -> int:
        return 1 << max(0, math.ceil(math.log2(min(2 * self._stopband(index), self.img_resolution))))

    def _half_width(self, index: int) -> float:
        return max(self._stopband(index), self._sampling_rate(index) / 2) - self._cutoff(index)
