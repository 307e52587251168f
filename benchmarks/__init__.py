"""The benchmark behind `wplus bench`: contestants in turn, behind a check that they draw the same pictures."""

from wplus.benchmarks.compare import Comparison, compare
from wplus.benchmarks.report import Report, tables_from_csv
from wplus.benchmarks.run import BenchOptions, run_bench

__all__ = ["BenchOptions", "Comparison", "Report", "compare", "run_bench", "tables_from_csv"]
