"""A piece of advice, whoever wrote it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hexar.agents.market.analysts.grounding import ground
from hexar.v1 import market_pb2 as pb

#: Recommendations of one analyst.
MOST = 3


@dataclass(frozen=True, slots=True)
class Advice:
    """What an analyst says, and the figures that it rests on."""

    title: str
    text: str
    figures: tuple[pb.Figure, ...]
    priority: pb.Priority


@dataclass(slots=True)
class Report:
    """An analyst's work: recommendations that are grounded, and how many sentences were not."""

    analyst: pb.Analyst
    method: str
    recommendations: list[pb.Recommendation] = field(default_factory=list)
    dropped: int = 0


def report(analyst: pb.Analyst, method: str, advice: Sequence[Advice]) -> Report:
    """Ground every sentence, keep the most urgent."""
    made = Report(analyst, method)
    for entry in sorted(advice, key=lambda row: row.priority):
        text, dropped = ground(entry.text, entry.figures)
        title, wrong = ground(entry.title, entry.figures) if entry.title else ("", 0)
        made.dropped += dropped + wrong
        if not text or not entry.figures or len(made.recommendations) == MOST:
            continue
        made.recommendations.append(
            pb.Recommendation(
                analyst=analyst,
                title=title,
                text=text,
                figure_ids=[figure.id for figure in entry.figures],
                method=method,
                priority=entry.priority,
            )
        )
    return made
