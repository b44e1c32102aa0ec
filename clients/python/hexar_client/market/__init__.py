"""Market: giving tables, asking for an analysis, and its figures as a DataFrame."""

from hexar_client.market.analysis import (
    CHUNK,
    UPLOAD_TIMEOUT,
    Analysis,
    AnalyzeBody,
    AnalyzeEvents,
    analysis,
    options,
    parts,
    role_name,
    tool_name,
)
from hexar_client.market.service import AsyncMarket, Market

__all__ = [
    "CHUNK",
    "UPLOAD_TIMEOUT",
    "Analysis",
    "AnalyzeBody",
    "AnalyzeEvents",
    "AsyncMarket",
    "Market",
    "analysis",
    "options",
    "parts",
    "role_name",
    "tool_name",
]
