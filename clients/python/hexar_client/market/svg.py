"""Two charts as SVG text: bars with signs and intervals, and a line with a band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 720
#: Pixels for the labels of bars, and characters of one that are shown.
GUTTER, SHOWN = 170, 24


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


def bars(points: Sequence[Point]) -> str:
    """Horizontal bars from zero, one a line, negative ones to the left."""
    step, height = 24, 24 * len(points) + 8
    low = min(0.0, *(point.value if point.low is None else point.low for point in points))
    high = max(0.0, *(point.value if point.high is None else point.high for point in points))
    scale = (WIDTH - GUTTER - 80) / ((high - low) or 1.0)

    def x(value: float) -> float:
        return GUTTER + (value - low) * scale

    parts = []
    for at, point in enumerate(points):
        top = 4 + at * step
        left, right = sorted((x(0.0), x(point.value)))
        color = "var(--low)" if point.value < 0 else "var(--mark)"
        parts.append(f"<text x='{GUTTER - 8}' y='{top + 15}' text-anchor='end'>{escape(_cut(point.label))}</text>")
        parts.append(f"<rect x='{left:.1f}' y='{top + 3}' width='{max(right - left, 1):.1f}' height='15' fill='{color}'/>")
        end = right
        if point.low is not None and point.high is not None:
            parts.append(
                f"<line x1='{x(point.low):.1f}' x2='{x(point.high):.1f}' "
                f"y1='{top + 10}' y2='{top + 10}' stroke='currentColor'/>"
            )
            end = max(right, x(point.high))
        parts.append(f"<text x='{end + 6:.1f}' y='{top + 15}'>{short(point.value)}</text>")
    return _svg(height, parts, points)


def lines(points: Sequence[Point]) -> str:
    """A line over the points, with a band where they have intervals."""
    height, bottom, left = 240, 210, 64
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
        parts.append(f"<text x='{left - 6}' y='{y + 4:.1f}' text-anchor='end'>{short(low + share * span)}</text>")
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


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
