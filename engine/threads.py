"""How many CPUs this process may use."""

import math
import os
from pathlib import Path

_QUOTA_V2 = Path("/sys/fs/cgroup/cpu.max")
_QUOTA_V1 = (Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us"))


def usable_cpus() -> int:
    """CPUs by affinity and by the cgroup's quota, whichever is less; at least 1."""
    try:
        cpus = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS or Windows
        cpus = os.cpu_count() or 1
    quota = _quota()
    return cpus if quota is None else max(1, min(cpus, math.ceil(quota)))


def _quota() -> float | None:
    """CPUs' worth of time that the container may use, None without a limit."""
    try:
        quota, period = _QUOTA_V2.read_text().split()
    except (OSError, ValueError):
        try:
            quota, period = (path.read_text().strip() for path in _QUOTA_V1)
        except OSError:
            return None
    return None if quota in ("max", "-1") else int(quota) / int(period)
