"""A tone in a file, and what is heard of one."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

av = pytest.importorskip("av")

RATE = 44_100
TONE = 440.0  # Hz


def sound(path: Path, seconds: float, *, codec: str, layout: str = "stereo", rate: int = RATE) -> Path:
    """A tone in a file."""
    rate = 48_000 if codec == "libopus" else rate
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.codec_context.layout = layout
        times = np.arange(int(seconds * rate)) / rate
        samples = (8000 * np.sin(2 * np.pi * TONE * times)).astype(np.int16)
        packed = np.repeat(samples, 2 if layout == "stereo" else 1)[None]
        tone = av.AudioFrame.from_ndarray(packed, format="s16", layout=layout)
        tone.sample_rate, tone.pts = rate, 0
        container.mux(stream.encode(tone))
        container.mux(stream.encode(None))
    return path


def heard(path: Path) -> tuple[str, int, NDArray[np.float64]]:
    """Codec, samples a second, and the samples of the first channel."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        rate = stream.codec_context.sample_rate
        resampler = av.AudioResampler("dbl", "mono", rate)
        parts = [part.to_ndarray()[0] for raw in [*container.decode(stream), None] for part in resampler.resample(raw)]
        return stream.codec_context.codec.canonical_name, rate, np.concatenate(parts)


def pitch(samples: NDArray[np.float64], rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate / len(samples))
