"""Reference picks against candidate picks: matching and metrics."""

from copick_picker.core.evaluate.evaluation import evaluate_picks
from copick_picker.core.evaluate.matching import MATCHERS, PICK_MATCHERS, match_picks
from copick_picker.core.evaluate.pairs import find_pairs
from copick_picker.records.scores import Picks, ScoredObject, ScoringRules

__all__ = [
    "MATCHERS",
    "PICK_MATCHERS",
    "Picks",
    "ScoredObject",
    "ScoringRules",
    "evaluate_picks",
    "find_pairs",
    "match_picks",
]
