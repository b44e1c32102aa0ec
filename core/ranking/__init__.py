"""The best rows of a table of features, with the contributions that add up to each score."""

from hexar.core.ranking.ranking import Ranking, top_k

__all__ = ["Ranking", "top_k"]
