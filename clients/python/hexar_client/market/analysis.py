"""Giving tables, asking for an analysis, and its figures as a DataFrame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, TypeAlias, Unpack, cast

from hexar.v1 import market_pb2 as pb
from hexar_client._rpc.fields import AnalysisFields, TableFields
from hexar_client._rpc.stream import Event, Restarted

#: One event of an analysis: ``event.kind`` says what ``event.body`` is.
AnalyzeEvents: TypeAlias = (
    Event[Literal["started"], pb.AnalyzeStarted]
    | Event[Literal["tool"], pb.ToolResult]
    | Event[Literal["recommendation"], pb.Recommendation]
    | Event[Literal["completed"], pb.AnalyzeCompleted]
    | Event[Literal["progress"], pb.AnalyzeProgress]
    | Event[Literal["analyst"], pb.AnalystResult]
    | Event[Literal["results"], pb.AnalyzeResults]
    | Event[Literal["restarted"], Restarted]
)
#: What these events hold.
AnalyzeBody: TypeAlias = (
    pb.AnalyzeStarted
    | pb.ToolResult
    | pb.Recommendation
    | pb.AnalyzeCompleted
    | pb.AnalyzeProgress
    | pb.AnalystResult
    | pb.AnalyzeResults
    | Restarted
)

CHUNK = 1 << 20
UPLOAD_TIMEOUT = 300.0
_TOOL, _ROLE, _LEVEL = "MARKET_TOOL_", "COLUMN_ROLE_", "OPTIMIZATION_LEVEL_"


def tool_name(tool: int) -> str:
    """A tool's name: "price_volume_mix"."""
    return pb.MarketTool.Name(cast("pb.MarketTool", tool)).removeprefix(_TOOL).lower()


def role_name(role: int) -> str:
    """A role's name: "unit_cost"."""
    return pb.ColumnRole.Name(cast("pb.ColumnRole", role)).removeprefix(_ROLE).lower()


def options(
    name: str, columns: Mapping[str, str | Iterable[str]] | None = None, **fields: Unpack[TableFields]
) -> pb.TableOptions:
    """How a table is read; ``columns`` gives roles their columns: ``{"revenue": "Umsatz", "spend": ["TV", "Radio"]}``.

    ``fields`` are the others of TableOptions. Raises ValueError for a role that there is not.
    """
    made = pb.TableOptions(name=name, **fields)
    for role, names in (columns or {}).items():
        number = pb.ColumnRole.Value(_ROLE + role.upper())
        made.columns.add(role=number, columns=[names] if isinstance(names, str) else list(names))
    return made


def analysis(
    table: str, question: str = "", *, tools: Iterable[str] = (), level: str = "", **fields: Unpack[AnalysisFields]
) -> pb.AnalyzeRequest:
    """A request; ``tools`` and ``level`` ("none", "partial", "full") by name, ``fields`` the others of AnalyzeRequest.

    Raises ValueError for a name that there is not.
    """
    request = pb.AnalyzeRequest(table=table, question=question, **fields)
    request.tools.extend(cast("pb.MarketTool", pb.MarketTool.Value(_TOOL + tool.upper())) for tool in tools)
    if level:
        request.optimization = cast("pb.OptimizationLevel", pb.OptimizationLevel.Value(_LEVEL + level.upper()))
    return request


def parts(made: pb.TableOptions, files: Iterable[str | Path]) -> Iterator[pb.UploadTableRequest]:
    """The messages of an upload; files are read as they are sent."""
    yield pb.UploadTableRequest(options=made)
    for path in map(Path, files):
        yield pb.UploadTableRequest(file_name=path.name)
        with path.open("rb") as file:
            while data := file.read(CHUNK):
                yield pb.UploadTableRequest(chunk=data)


class Analysis:
    """An analysis as it has come so far: apply its events, read its parts."""

    def __init__(self) -> None:
        self.started: pb.AnalyzeStarted | None = None
        self.completed: pb.AnalyzeCompleted | None = None
        self.tools: dict[str, pb.ToolResult] = {}
        self.recommendations: list[pb.Recommendation] = []
        self.analysts: list[pb.AnalystResult] = []
        self.progress: pb.AnalyzeProgress | None = None

    def apply(self, event: AnalyzeEvents) -> None:
        """Take the next event."""
        body = event.body
        if isinstance(body, Restarted):
            self.__init__()  # type: ignore[misc]
        elif isinstance(body, pb.AnalyzeStarted):
            self.started = body
        elif isinstance(body, pb.ToolResult):
            self.tools[tool_name(body.tool)] = body
        elif isinstance(body, pb.Recommendation):
            self.recommendations.append(body)
        elif isinstance(body, pb.AnalystResult):
            self.analysts.append(body)
        elif isinstance(body, pb.AnalyzeResults):
            self.tools.update((tool_name(result.tool), result) for result in body.tools)
            self.recommendations.extend(body.recommendations)
            self.analysts.extend(body.analysts)
        elif isinstance(body, pb.AnalyzeProgress):
            self.progress = body
        elif isinstance(body, pb.AnalyzeCompleted):
            self.completed = body

    @property
    def figures(self) -> dict[str, pb.Figure]:
        """Every figure by its id."""
        return {figure.id: figure for result in self.tools.values() for figure in result.figures}

    def rows(self, tool: str = "") -> list[dict[str, Any]]:
        """The figures, of one tool or of all, as rows: tool, id, name, value, exact, unit, low, high, and each dimension."""
        found = []
        for name, result in self.tools.items():
            if tool and name != tool:
                continue
            for figure in result.figures:
                row: dict[str, Any] = {
                    "tool": name,
                    "id": figure.id,
                    "name": figure.name,
                    "value": figure.value,
                    "exact": figure.exact,
                    "unit": figure.unit,
                    "low": figure.low if figure.HasField("low") else None,
                    "high": figure.high if figure.HasField("high") else None,
                }
                found.append(row | dict(figure.dimensions))
        return found

    def to_pandas(self, tool: str = "") -> Any:
        """The rows as a pandas DataFrame; ImportError where pandas is not installed."""
        return import_module("pandas").DataFrame(self.rows(tool))

    def to_polars(self, tool: str = "") -> Any:
        """The rows as a polars DataFrame; ImportError where polars is not installed."""
        return import_module("polars").DataFrame(self.rows(tool), infer_schema_length=None)
