"""Comparisons: experiments, budgets, run folders, results and the report."""

from vidgen.comparison.catalogue import find
from vidgen.comparison.comparison import Comparison, compare, report
from vidgen.comparison.experiment import Experiment
from vidgen.comparison.folder import FolderError
from vidgen.comparison.model import Model, load
from vidgen.comparison.pairs import Pair
from vidgen.comparison.presets import preset
from vidgen.comparison.results import Results, Row
from vidgen.comparison.trust import Trust
from vidgen.comparison.tuning import Search, tune
from vidgen.training import Budget

__all__ = [
    "Budget",
    "Comparison",
    "Experiment",
    "FolderError",
    "Model",
    "Pair",
    "Results",
    "Row",
    "Search",
    "Trust",
    "compare",
    "find",
    "load",
    "preset",
    "report",
    "tune",
]
