"""What data sheets say of GPUs: peak rates and bandwidth, none of them measured here."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """One GPU. Rates are dense, in TFLOP/s, 16-bit products added up in float32; bandwidth is in GB/s."""

    title: str
    float32: float  # outside the tensor cores
    tf32: float
    half: float  # float16 and bfloat16 alike
    bandwidth: float
    source: str  # the data sheet

    def floor_seconds(self, flops: float, moved_bytes: float, dtype: str) -> float:
        """The least time in which so much can be computed and moved, each at its peak and both at once."""
        rate = {"float32": self.float32, "tf32": self.tf32}.get(dtype, self.half)
        return max(flops / (rate * 1e12), moved_bytes / (self.bandwidth * 1e9))


CHIPS: dict[str, Chip] = {
    "a100": Chip(
        title="A100 SXM 80 GB (sm_80)",
        float32=19.5,
        tf32=156,
        half=312,
        bandwidth=2039,
        source="NVIDIA A100 Tensor Core GPU data sheet",
    ),
    "a10": Chip(title="A10 (sm_86)", float32=31.2, tf32=62.5, half=125, bandwidth=600, source="NVIDIA A10 data sheet"),
    "rtx3090": Chip(
        title="RTX 3090 (sm_86)",
        float32=35.6,
        tf32=35.6,
        half=71.2,
        bandwidth=936,
        source="NVIDIA Ampere GA102 GPU architecture whitepaper",
    ),
    "l4": Chip(
        title="L4 (sm_89)",
        float32=30.3,
        tf32=60,
        half=121,
        bandwidth=300,
        source="NVIDIA L4 data sheet, whose tensor rates are sparse: halved",
    ),
    "rtx4090": Chip(
        title="RTX 4090 (sm_89)",
        float32=82.6,
        tf32=82.6,
        half=165.2,
        bandwidth=1008,
        source="NVIDIA Ada GPU architecture whitepaper",
    ),
    "h100": Chip(
        title="H100 SXM (sm_90)",
        float32=67,
        tf32=494.7,
        half=989.4,
        bandwidth=3350,
        source="NVIDIA H100 data sheet, whose tensor rates are sparse: halved",
    ),
    "h200": Chip(
        title="H200 SXM (sm_90)",
        float32=67,
        tf32=494.7,
        half=989.4,
        bandwidth=4800,
        source="NVIDIA H200 data sheet, whose tensor rates are sparse: halved",
    ),
    "b200": Chip(
        title="B200 (sm_100)",
        float32=80,
        tf32=1125,
        half=2250,
        bandwidth=8000,
        source="NVIDIA DGX B200 and HGX B200 data sheets, one of eight, whose tensor rates are sparse: halved",
    ),
    "rtx5090": Chip(
        title="RTX 5090 (sm_120)",
        float32=104.8,
        tf32=104.8,
        half=209.5,
        bandwidth=1792,
        source="NVIDIA RTX Blackwell GPU architecture whitepaper",
    ),
}
