"""A frame: one picture of a show, and when it was due, drawn and asked for."""

from dataclasses import dataclass

from wplus.media import Picture


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """One picture. Nobody changes it: many sinks hold it at once.

    While nothing changes, `picture` is the same array in frame after frame: `frame.picture is last.picture`.
    """

    picture: Picture  # uint8 [H, W, C], contiguous; faded already
    number: int  # of the frame in the show; numbers that are missing were late
    time: float  # when it is due, in seconds since the show began
    drawn_at: float  # when it was ready, by time.perf_counter
    changed_at: float  # when the newest change that is in it was made, by the same clock; 0.0 before the first
