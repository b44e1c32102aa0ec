"""An analysis as one self-contained page: charts as SVG, no script, nothing loaded from anywhere.

The page reads on a phone and in print; every chart has its numbers in a table beside or below it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from hexar.v1 import market_pb2 as pb
from hexar_client.market.analysis import Analysis, role_name
from hexar_client.market.svg import Point, bars, lines, signed

# A style sheet reads by its rules, one a line.
_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --line: #d9dee5; --page: #fff; --mark: #2563a8;
  --low: #b4452f; --band: #2563a833; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --soft: #9aa6b5; --line: #39424f; --page: #14181f; --mark:
  #6aa9ee; --low: #e98a73; --band: #6aa9ee33; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 1rem; font: 16px/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--page); }
h1 { font-size: 1.6rem; margin: .5rem 0; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; border-bottom: 1px solid var(--line); }
p.soft, .note, figcaption { color: var(--soft); font-size: .875rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; }
.card { border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .8rem; }
.card b { display: block; font-size: 1.2rem; }
.card span { color: var(--soft); font-size: .8rem; }
.advice { border-left: 4px solid var(--mark); padding: .1rem .9rem; margin: .8rem 0; }
.advice h3 { margin: 0; font-size: 1rem; }
figure { margin: .5rem 0 1rem; }
figcaption { margin-bottom: .4rem; }
svg { width: 100%; height: auto; display: block; }
svg text { font: 12px system-ui, sans-serif; fill: var(--soft); }
.bars { display: grid; grid-template-columns: fit-content(38%) 1fr max-content; gap: .3rem .6rem; align-items: center;
  font-size: .8125rem; color: var(--soft); print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.bars span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; text-align: right; }
.bars div { position: relative; height: 1rem; }
.bars i, .bars u { position: absolute; top: 0; height: 100%; background: var(--mark); border-radius: 2px; }
.bars i.low { background: var(--low); }
.bars u { top: 45%; height: 2px; background: var(--ink); }
.bars b { font-weight: normal; text-align: right; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; width: 100%; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid var(--line); }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
details > summary { cursor: pointer; color: var(--soft); }
@media (max-width: 34rem) { svg text { font-size: 22px; } .cards { grid-template-columns: 1fr 1fr; } }
@media print { body { max-width: none; padding: 0; font-size: 11pt; }
h2 { break-after: avoid; }
figure, .advice, .card, tr { break-inside: avoid; }
details:not([open]), details > summary { display: none; }
}
"""

#: Periods of the past before a forecast.
PAST = 24
#: Bars of one chart at most.
BARS = 20
_CARDS = ("revenue", "units", "profit", "margin", "revenue_change", "profit_change", "average_price")
_PERIODS = ("month", "quarter", "week", "day")
_TITLES = {
    "overview": "Overview", "brand": "Brands", "category": "Categories", "product": "Products",
    "region": "Regions and countries",
    "store": "Stores", "channel": "Channels", "profitability": "Profitability", "price_volume_mix": "Price, volume and mix",
    "trend": "Trend and season", "forecast": "Forecast", "roi": "Return on spend", "budget": "Budget plan",
    "kpi": "Key figures",
    "anomalies": "What stands out", "share": "Shares",
}  # fmt: skip


def write_report(path: Path, analysis: Analysis) -> None:
    """Write the page."""
    path.write_text(page(analysis), encoding="utf-8")


def page(analysis: Analysis) -> str:
    """The page of an analysis that has come."""
    started = analysis.started
    name = started.table.name if started is not None else "table"
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>Market analysis: {escape(name)}</title><style>{_STYLE}</style></head><body>",
        _head(analysis),
        _cards(analysis),
        _advice(analysis),
        *_sections(analysis),
        _reading(started.table) if started is not None else "",
        "</body></html>",
    ]
    return "\n".join(parts)


def _in_order(analysis: Analysis) -> list[tuple[str, pb.ToolResult]]:
    order = list(_TITLES)
    return sorted(analysis.tools.items(), key=lambda entry: order.index(entry[0]) if entry[0] in order else len(order))


def text(figure: pb.Figure) -> str:
    """A figure for people."""
    if figure.unit.startswith("ratio"):
        return signed(f"{figure.value * 100:,.1f}\u00a0%")
    digits = 0 if float(figure.value).is_integer() else 2
    unit = "" if figure.unit in ("currency unknown", "units", "rows") else f" {figure.unit}"
    return f"{signed(f'{figure.value:,.{digits}f}')}{unit.replace('currency unknown', '').rstrip()}"


def _label(name: str) -> str:
    return name.replace("_", " ")


def _head(analysis: Analysis) -> str:
    started, done = analysis.started, analysis.completed
    if started is None:
        return "<h1>Market analysis</h1>"
    lines_ = [f"{started.table.rows:,} rows, {started.window.first} to {started.window.last}"]
    if started.HasField("previous"):
        before, now = started.previous, started.current
        lines_.append(f"changes between {before.first} to {before.last} and {now.first} to {now.last}")
    lines_.append(f"amounts in {started.money_unit}")
    parts = [f"<h1>{escape(started.table.name)}</h1><p class='soft'>{escape('; '.join(lines_))}</p>"]
    if started.HasField("reading"):
        parts.append(f"<p class='soft'>{escape(started.reading.text)}</p>")
    if done is not None and done.answer:
        parts.append(f"<p><b>{escape(done.answer)}</b></p>")
    if done is not None and done.partial:
        parts.append(f"<p class='note'>Not complete: {escape('; '.join(done.missing))}</p>")
    return "".join(parts)


def _cards(analysis: Analysis) -> str:
    overview = analysis.tools.get("overview")
    if overview is None:
        return ""
    found = {figure.name: figure for figure in overview.figures if not figure.dimensions}
    cards = [
        f"<div class='card'><span>{escape(_label(name))}</span><b>{escape(text(found[name]))}</b></div>"
        for name in _CARDS
        if name in found
    ]
    return f"<div class='cards'>{''.join(cards)}</div>"


def _advice(analysis: Analysis) -> str:
    if not analysis.recommendations:
        return ""
    figures = analysis.figures
    parts = ["<h2>Recommendations</h2>"]
    for entry in sorted(analysis.recommendations, key=lambda row: (row.priority, row.analyst)):
        who = pb.Analyst.Name(entry.analyst).removeprefix("ANALYST_").lower()
        rank = pb.Priority.Name(entry.priority).removeprefix("PRIORITY_").lower()
        cited = "; ".join(
            f"{name}: {_label(figures[name].name)} {text(figures[name])}" for name in entry.figure_ids if name in figures
        )
        said = entry.text.replace(" %", "\u00a0%")
        parts.append(
            f"<div class='advice'><h3>{escape(entry.title or who)}</h3><p>{escape(said)}</p>"
            f"<p class='note'>{escape(who)} analyst, {rank} priority, by {escape(entry.method)}. {escape(cited)}</p></div>"
        )
    return "".join(parts)


def _sections(analysis: Analysis) -> list[str]:
    # What every tool notes is read once: the head of the page says what changes are between.
    told: set[str] = set()
    sections = []
    for tool, result in _in_order(analysis):
        notes = [note for note in result.notes if note not in told and not note.startswith("changes are between")]
        told.update(notes)
        past = analysis.tools["trend"].figures if tool == "forecast" and "trend" in analysis.tools else ()
        sections.append(_section(tool, result, notes, _series(past, ("revenue", "units"))))
    return sections


def _section(tool: str, result: pb.ToolResult, notes: Sequence[str], past: Sequence[Point]) -> str:
    parts = [f"<h2>{escape(_TITLES.get(tool, tool))}</h2>"]
    if result.problem:
        return parts[0] + f"<p class='note'>{escape(result.problem)}</p>"
    charts = _forecast(result.figures, past) if tool == "forecast" else _charts(tool, result.figures)
    parts += charts
    parts += [f"<p class='note'>{escape(note)}</p>" for note in notes]
    shown = "" if charts else " open"
    parts.append(f"<details{shown}><summary>Figures</summary>{_table(result.figures)}</details>")
    return "".join(parts)


def _charts(tool: str, figures: Sequence[pb.Figure]) -> list[str]:
    charts = []
    if tool == "trend":
        series = _series(figures, ("revenue", "units"))
        if series:
            charts.append(_figure(lines(series), f"{_label(series[0].name)} by {series[0].of}"))
        season = [Point(f.dimensions["season"], f.value, f.name) for f in figures if f.name == "season_index"]
        charts.append(_figure(bars(season), "season index, 1 is the average")) if season else None
    elif tool in ("price_volume_mix",):
        effects = [Point(_label(f.name), f.value, f.name) for f in figures if f.name.endswith("_effect") and not f.dimensions]
        charts.append(_figure(bars(effects), "what the change of revenue is made of"))
    elif tool == "roi":
        points = [Point(f.dimensions["channel"], f.value, f.name, f.low, f.high) for f in figures if f.name == "response"]
        charts.append(_figure(bars(points), "response of revenue to one more unit of spend")) if points else None
    else:
        wanted = {"profitability": "profit", "share": "share_change", "budget": "planned_spend"}.get(tool)
        for role in dict.fromkeys(name for f in figures for name in f.dimensions if name not in _PERIODS):
            points = _members(figures, role, (wanted,) if wanted else ("revenue", "units"))
            if points and tool not in ("overview", "kpi", "anomalies"):
                ends = any(f.reason.startswith("bottom") and f.dimensions.get(role) for f in figures)
                caption = f"{_label(points[0].name)} by {role}" + (": the largest and the smallest" if ends else "")
                charts.append(_figure(bars(points), caption))
    return charts


def _members(figures: Sequence[pb.Figure], role: str, names: Sequence[str]) -> list[Point]:
    """The first of ``names`` that there is, by the values of a dimension, each once."""
    for name in names:
        found = {
            f.dimensions[role]: Point(f.dimensions[role], f.value, name)
            for f in figures
            if f.name == name and role in f.dimensions
        }
        if found:
            return sorted(found.values(), key=lambda point: -point.value)[:BARS]
    return []


def _series(figures: Iterable[pb.Figure], names: Sequence[str]) -> list[Point]:
    found = []
    for figure in figures:
        period = next((name for name in _PERIODS if name in figure.dimensions), "")
        if figure.name in names and period:
            found.append(Point(figure.dimensions[period], figure.value, figure.name, of=period))
    return found


def _forecast(figures: Sequence[pb.Figure], past: Sequence[Point]) -> list[str]:
    points = []
    for figure in figures:
        period = next((name for name in _PERIODS if name in figure.dimensions), "")
        if figure.name == "forecast" and period and abs(figure.confidence - 0.8) < 1e-9:
            points.append(Point(figure.dimensions[period], figure.value, figure.name, figure.low, figure.high, period))
    if not points:
        return []
    # The series as far as it came before: a period that had not ended is forecast again.
    before = [point for point in past if point.of == points[0].of and point.label < points[0].label][-PAST:]
    return [
        _figure(lines([*before, *points]), "forecast with its 80 % interval" + (", after the series so far" if before else ""))
    ]


def _figure(chart: str, caption: str) -> str:
    return f"<figure><figcaption>{escape(caption)}</figcaption>{chart}</figure>"


def _table(figures: Sequence[pb.Figure]) -> str:
    rows = []
    for figure in figures:
        of = ", ".join(f"{figure.dimensions[name]}" for name in sorted(figure.dimensions))
        interval = signed(f"{figure.low:,.2f} to {figure.high:,.2f}") if figure.HasField("low") else ""
        rows.append(
            f"<tr><td>{escape(_label(figure.name))}</td><td>{escape(of)}</td><td class='n'>{escape(text(figure))}</td>"
            f"<td class='n'>{escape(interval)}</td><td>{escape(figure.reason)}</td></tr>"
        )
    head = "<tr><th>figure</th><th>of</th><th class='n'>value</th><th class='n'>interval</th><th></th></tr>"
    return f"<div class='scroll'><table>{head}{''.join(rows)}</table></div>"


def _reading(table: pb.Table) -> str:
    rows = [
        f"<tr><td>{escape(column.name)}</td><td>{escape(column.type)} {escape(column.format)}</td>"
        f"<td>{escape(role_name(column.role)) if column.role else ''}</td><td class='n'>{column.confidence:.2f}</td></tr>"
        for column in table.columns
    ]
    notes = "".join(f"<p class='note'>{escape(note)}</p>" for note in table.notes)
    rejected = f"<p class='note'>{table.rejected_rows} rows could not be read.</p>" if table.rejected_rows else ""
    head = "<tr><th>column</th><th>values</th><th>role</th><th class='n'>confidence</th></tr>"
    return f"<h2>How the table was read</h2>{notes}{rejected}<div class='scroll'><table>{head}{''.join(rows)}</table></div>"
