"""Comparisons: experiments, budgets, run folders, results and the report."""

from vidgen.comparison.catalogue import find
from vidgen.comparison.comparison import Comparison, compare, report
from vidgen.comparison.experiment import Experiment
from vidgen.comparison.folder import FolderError
from vidgen.comparison.model import Model, load
from vidgen.comparison.pairs import Pair
from vidgen.comparison.results import Results, Row
from vidgen.comparison.trust import Trust
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
    "Trust",
    "compare",
    "find",
    "load",
    "report",
]
