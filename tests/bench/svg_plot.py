"""Line plots as SVG, without a library: axes with units, linear or logarithmic, readable on light and dark pages alike (they bring
their own background)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

# In pixels: where the axes stand; beside them is what the names of the lines need.
LEFT, RIGHT, TOP, BOTTOM, HEIGHT = 78, 570, 48, 344, 400
KEY, LETTER = 50, 6.8  # of the names: the line before one, and a letter, about
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b58900", "#555555")  # told apart by colour-blind readers, too
INK, FAINT, PAPER = "#24292f", "#d8dee4", "#ffffff"
TICKS_AIM = 5


def number(value: float) -> str:
    """As short as it can be said."""
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:g}"


def size(value: float) -> str:
    """Bytes: 32 B, 64 KiB, 20 MiB."""
    for unit in ("B", "KiB"):
        if value < 1024:
            return f"{value:g} {unit}"
        value /= 1024
    return f"{value:g} MiB"


@dataclass(frozen=True)
class Axis:
    """What it shows, in which unit, and how."""

    label: str
    log: bool = False
    ticks: tuple[float, ...] = ()  # where; none: by itself
    show: Callable[[float], str] = number

    def ends(self, values: list[float]) -> tuple[float, float]:
        """From where to where: a linear axis begins at 0, a logarithmic one at the power of ten below."""
        if self.ticks:
            return min(*self.ticks, *values), max(*self.ticks, *values)
        if self.log:
            return 10.0 ** math.floor(math.log10(min(values))), 10.0 ** math.ceil(math.log10(max(values)))
        step = self.step(max(values))
        return 0.0, math.ceil(max(values) / step) * step

    @staticmethod
    def step(top: float) -> float:
        """Between ticks: 1, 2 or 5 times a power of ten."""
        rough = (top or 1.0) / TICKS_AIM
        power = 10.0 ** math.floor(math.log10(rough))
        return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)

    def places(self, low: float, high: float) -> list[float]:
        """Of the ticks."""
        if self.ticks:
            return list(self.ticks)
        if self.log:
            return [10.0 ** power for power in range(round(math.log10(low)), round(math.log10(high)) + 1)]
        step = self.step(high)
        return [step * place for place in range(round(high / step) + 1)]

    def share(self, value: float, low: float, high: float) -> float:
        """Where between its ends a value stands, 0 to 1."""
        if self.log:
            value, low, high = math.log(value), math.log(low), math.log(high)
        return (value - low) / (high - low)


@dataclass
class Plot:
    """Lines over one pair of axes."""

    title: str
    x: Axis
    y: Axis
    lines: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def svg(self) -> str:
        """The whole file."""
        xs, ys = zip(*(point for line in self.lines.values() for point in line))
        x_ends, y_ends = self.x.ends(list(xs)), self.y.ends(list(ys))

        width = RIGHT + KEY + math.ceil(LETTER * max(map(len, self.lines)))

        def at(x: float, y: float) -> tuple[float, float]:
            return round(LEFT + self.x.share(x, *x_ends) * (RIGHT - LEFT), 1), round(BOTTOM - self.y.share(y, *y_ends) * (BOTTOM - TOP), 1)

        parts = [f'<rect width="{width}" height="{HEIGHT}" rx="8" fill="{PAPER}"/>',
                 f'<text x="{LEFT}" y="26" font-size="15" font-weight="bold">{escape(self.title)}</text>']
        for tick in self.x.places(*x_ends):
            x, y = at(tick, y_ends[0])
            parts.append(f'<line x1="{x}" y1="{TOP}" x2="{x}" y2="{y}" stroke="{FAINT}"/><text x="{x}" y="{y + 18}" text-anchor="middle">{escape(self.x.show(tick))}</text>')
        for tick in self.y.places(*y_ends):
            x, y = at(x_ends[0], tick)
            parts.append(f'<line x1="{x}" y1="{y}" x2="{RIGHT}" y2="{y}" stroke="{FAINT}"/><text x="{x - 8}" y="{y + 4}" text-anchor="end">{escape(self.y.show(tick))}</text>')
        parts.append(f'<text x="{(LEFT + RIGHT) / 2}" y="{HEIGHT - 14}" text-anchor="middle">{escape(self.x.label)}</text>')
        middle = (TOP + BOTTOM) / 2
        parts.append(f'<text x="18" y="{middle}" text-anchor="middle" transform="rotate(-90 18 {middle})">{escape(self.y.label)}</text>')
        for place, (name, points) in enumerate(self.lines.items()):
            colour = COLOURS[place % len(COLOURS)]
            spots = [at(x, y) for x, y in points]
            parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{" ".join(f"{x},{y}" for x, y in spots)}"/>')
            parts += [f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in spots]
            y = TOP + 12 + 20 * place
            parts.append(f'<line x1="{RIGHT + 12}" y1="{y - 4}" x2="{RIGHT + 32}" y2="{y - 4}" stroke="{colour}" stroke-width="3"/>'
                         f'<text x="{RIGHT + 38}" y="{y}">{escape(name)}</text>')
        body = "\n".join(parts)
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" width="{width}" height="{HEIGHT}" role="img" '
                f'font-family="sans-serif" font-size="12" fill="{INK}">\n<title>{escape(self.title)}</title>\n{body}\n</svg>\n')

    def rows(self) -> list[list[str]]:
        """The same as a table, its head first: for whoever wants the figures, or can't see the plot."""
        xs = sorted({x for line in self.lines.values() for x, _ in line})
        figures = [[f"{dict(line)[x]:.{0 if dict(line)[x] >= 100 else 1}f}" if x in dict(line) else "–" for x in xs] for line in self.lines.values()]
        return [[f"{self.title}, {self.y.label.removesuffix(' (logarithmic)')}", *map(self.x.show, xs)],
                *([name, *some] for name, some in zip(self.lines, figures))]

    def write(self, path: Path) -> None:
        """Into a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.svg())
