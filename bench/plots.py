# SPDX-License-Identifier: MIT
"""Bar charts and a scatter as SVG text. No background, and colours that are
readable on white and on black, so that one file serves both themes."""

import html
import math

TEXT = "#6e7781"
GRID = "#8b949e"
OURS = ["#1a9c6b", "#7cc9a9"]  # clipc; one colour a series
PEER = ["#4a80d4", "#a3bfe8"]
FONT = "font-family='system-ui, sans-serif'"


def text(x, y, words, size=12, anchor="start", weight="normal", color=TEXT):
    return (f"<text x='{x:.1f}' y='{y:.1f}' {FONT} font-size='{size}' "
            f"font-weight='{weight}' text-anchor='{anchor}' fill='{color}'>"
            f"{html.escape(words)}</text>")


def document(width, height, title, parts):
    return "\n".join([
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' "
        f"height='{height}' viewBox='0 0 {width} {height}' role='img'>",
        f"<title>{html.escape(title)}</title>",
        text(12, 24, title, 15, weight="600"), *parts, "</svg>"]) + "\n"


def figure(value):
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def colour(name, series):
    return (OURS if name.startswith("clipc") else PEER)[series]


def bars(title, unit, series, rows):
    """rows: (name, [a value for each of the series, None where missing]) or
    (heading, None)."""
    left, right, bar, gap = 245, 70, 13, 9
    width = 760
    values = [v for _, row in rows if row for v in row if v]
    scale = (width - left - right) / max(values)
    y, parts = 46, []
    if len(series) > 1:
        for i, name in enumerate(series):
            x = left + i * 130
            parts += [f"<rect x='{x}' y='{y - 10}' width='11' height='11' "
                      f"rx='2' fill='{OURS[i]}'/>",
                      f"<rect x='{x + 13}' y='{y - 10}' width='11' "
                      f"height='11' rx='2' fill='{PEER[i]}'/>",
                      text(x + 30, y, name)]
        y += 18
    for name, row in rows:
        if row is None:
            parts.append(text(12, y + 14, name, 13, weight="600"))
            y += 26
            continue
        height = bar * len(row)
        ours = name.startswith("clipc")
        parts.append(text(left - 8, y + height / 2 + 4, name, 12, "end",
                          "600" if ours else "normal"))
        for i, value in enumerate(row):
            if value:
                parts += [f"<rect x='{left}' y='{y + i * bar + 1}' width='"
                          f"{max(1, value * scale):.1f}' height='{bar - 2}' "
                          f"rx='2' fill='{colour(name, i)}'/>",
                          text(left + value * scale + 5, y + i * bar + 11,
                               figure(value), 11)]
        y += height + gap
    parts.append(text(left, y + 10, unit, 12))
    return document(width, y + 24, title, parts)


def decades(low, high):
    """Exponents of ten that enclose the values."""
    return range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)


def scatter(title, x_name, y_name, points):
    """points: (name, x, y), both axes logarithmic, x from 1-2-5 steps."""
    width, height, left, right, top, bottom = 760, 460, 80, 150, 50, 60
    xs, ys = [p[1] for p in points], [p[2] for p in points]
    x_ticks = [m * 10 ** e for e in decades(min(xs) * 0.95, max(xs) * 1.05)
               for m in (1, 2, 5)]
    x_low = max(t for t in x_ticks if t <= min(xs) * 0.95)
    x_high = min(t for t in x_ticks if t >= max(xs) * 1.05)
    # A decade below, for the labels of what is nearly exact.
    y_range = decades(min(ys) / 10, max(ys))
    y_low, y_high = 10.0 ** y_range[0], 10.0 ** y_range[-1]

    def at_x(v):
        return left + (width - left - right) * (
            math.log(v / x_low) / math.log(x_high / x_low))

    def at_y(v):
        return top + (height - top - bottom) * (
            1 - math.log(v / y_low) / math.log(y_high / y_low))
    parts = []
    for tick in x_ticks:
        if x_low <= tick <= x_high:
            parts += [f"<path d='M{at_x(tick):.1f} {top}V{height - bottom}' "
                      f"stroke='{GRID}' stroke-opacity='0.3'/>",
                      text(at_x(tick), height - bottom + 18, f"{tick:g}", 11,
                           "middle")]
    for exponent in y_range:
        y = at_y(10.0 ** exponent)
        parts += [f"<path d='M{left} {y:.1f}H{width - right}' "
                  f"stroke='{GRID}' stroke-opacity='0.3'/>",
                  text(left - 8, y + 4, f"1e{exponent}", 11, "end")]
    parts += [text((left + width - right) / 2, height - 18, x_name, 12,
                   "middle"), text(left - 60, top - 8, y_name, 12)]
    used = []
    for name, x, y in sorted(points, key=lambda p: at_y(p[2])):
        label_y = at_y(y) + 4
        while any(abs(label_y - other) < 13 and abs(at_x(x) - where) < 140
                  for other, where in used):
            label_y += 13
        used.append((label_y, at_x(x)))
        parts += [f"<circle cx='{at_x(x):.1f}' cy='{at_y(y):.1f}' r='6' "
                  f"fill='{colour(name, 0)}'/>",
                  text(at_x(x) + 10, label_y, name, 12,
                       weight="600" if name.startswith("clipc")
                       else "normal")]
    return document(width, height, title, parts)
