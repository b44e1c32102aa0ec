"""Two charts: bars with signs and intervals as HTML, and a line with a band as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

#: Units of the drawing; it is as wide as the page.
WIDTH = 720


@dataclass(frozen=True, slots=True)
class Point:
    """A value with its label; ``low`` and ``high`` are its interval, ``of`` what the labels are."""

    label: str
    value: float
    name: str = ""
    low: float | None = None
    high: float | None = None
    of: str = ""


def short(value: float) -> str:
    """A number in few characters."""
    for size, unit in ((1e9, "bn"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:,.1f} {unit}"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"


def signed(text: str) -> str:
    """A number with a minus sign that is as wide as its digits."""
    return text.replace("-", "−")


def bars(points: Sequence[Point]) -> str:
    """Horizontal bars from zero, one a line, negative ones to the left: HTML, whose text keeps its size on a phone."""
    low = min(0.0, *(point.value if point.low is None else point.low for point in points))
    high = max(0.0, *(point.value if point.high is None else point.high for point in points))
    span = (high - low) or 1.0

    def part(left: float, right: float) -> str:
        return f"left:{(left - low) / span * 100:.2f}%;width:{max((right - left) / span * 100, 0.3):.2f}%"

    rows = []
    for point in points:
        kind = " class='low'" if point.value < 0 else ""
        marks = f"<i{kind} style='{part(*sorted((0.0, point.value)))}'></i>"
        if point.low is not None and point.high is not None:
            marks += f"<u style='{part(point.low, point.high)}'></u>"
        rows.append(
            f"<span title='{escape(point.label, quote=True)}'>{escape(point.label)}</span>"
            f"<div>{marks}</div><b>{signed(short(point.value))}</b>"
        )
    return f"<div class='bars'>{''.join(rows)}</div>"


def lines(points: Sequence[Point]) -> str:
    """A line over the points, with a band where they have intervals."""
    height, bottom, left = 240, 206, 84
    low = min([0.0, *(point.value if point.low is None else point.low for point in points)])
    high = max(point.value if point.high is None else point.high for point in points)
    span = (high - low) or 1.0

    def place(at: int, value: float) -> str:
        x = left + at * (WIDTH - left - 12) / max(1, len(points) - 1)
        return f"{x:.1f},{bottom - (value - low) / span * (bottom - 14):.1f}"

    parts = []
    for share in (0.0, 0.5, 1.0):
        y = bottom - share * (bottom - 14)
        parts.append(f"<line x1='{left}' x2='{WIDTH - 12}' y1='{y:.1f}' y2='{y:.1f}' stroke='var(--line)'/>")
        parts.append(f"<text x='{left - 6}' y='{y + 4:.1f}' text-anchor='end'>{signed(short(low + share * span))}</text>")
    band = [(at, point.low, point.high) for at, point in enumerate(points) if point.low is not None and point.high is not None]
    if band:
        edge = [place(at, up) for at, _, up in band] + [place(at, down) for at, down, _ in reversed(band)]
        parts.append(f"<polygon points='{' '.join(edge)}' fill='var(--band)'/>")
    path = " ".join(place(at, point.value) for at, point in enumerate(points))
    parts.append(f"<polyline points='{path}' fill='none' stroke='var(--mark)' stroke-width='2'/>")
    for at in sorted({0, len(points) // 2, len(points) - 1}):
        x = place(at, low).split(",")[0]
        anchor = "start" if at == 0 else "end" if at == len(points) - 1 else "middle"
        parts.append(f"<text x='{x}' y='{height - 8}' text-anchor='{anchor}'>{escape(points[at].label)}</text>")
    return _svg(height, parts, points)


def _svg(height: int, parts: Sequence[str], points: Sequence[Point]) -> str:
    said = escape("; ".join(f"{point.label}: {short(point.value)}" for point in points[:40]), quote=True)
    return f"<svg viewBox='0 0 {WIDTH} {height}' role='img' aria-label=\"{said}\">{''.join(parts)}</svg>"
