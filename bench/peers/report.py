"""From single runs to medians, ratios, a text table, a page and a chart. No input or output.

A run is a dictionary: peer, workload, workers, outcome ("ok" or what went wrong) and figures,
metric => number or word ("starved"). `OURS` is the peer that the others are compared with.
"""
import math
from collections import namedtuple
from xml.sax.saxutils import escape

OURS = "spawned"

# One peer's figure: `text` instead of numbers where there are none ("starved", "timeout").
Cell = namedtuple("Cell", "median low high runs text")

# A line of the table. `ratio` is how many times better ours is than the best peer, by medians;
# None where one of the two has no number.
Row = namedtuple("Row", "workload workers figure cells best ratio")


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2


def cell_of(runs, figure):
    """The cell of all runs of one peer, workload and number of workers; None without runs."""
    if not runs:
        return None
    values, words = [], []
    for run in runs:
        value = run["figures"].get(figure.metric)
        if isinstance(value, (int, float)):
            values.append(value * figure.factor)
        elif value is not None:
            words.append(value)
        elif run["outcome"] != "ok":
            words.append(run["outcome"])
        else:  # "starved" stands for all figures of a run
            words += [word for word in run["figures"].values() if isinstance(word, str)][:1]
    # A peer that gave nothing once gets no number from its other runs.
    if words:
        return Cell(None, None, None, len(runs), words[0])
    if not values:
        return None
    return Cell(median(values), min(values), max(values), len(values), None)


def best_peer(cells, less):
    """The name of the best among the others, or None."""
    numbers = {
        name: cell.median
        for name, cell in cells.items()
        if name != OURS and cell and cell.median is not None
    }
    if not numbers:
        return None
    return (min if less else max)(numbers, key=numbers.get)


def ratio_of(cells, best, less):
    ours = cells.get(OURS)
    if best is None or not ours or ours.median is None:
        return None
    other = cells[best].median
    over, under = (other, ours.median) if less else (ours.median, other)
    return over / under if under > 0 else None


def group(runs):
    """Runs by (peer, workload, workers)."""
    grouped = {}
    for run in runs:
        grouped.setdefault((run["peer"], run["workload"], run["workers"]), []).append(run)
    return grouped


def rows_of(runs, workloads, peers):
    """The rows of the table, in the order of `workloads`, for `peers` (names, ours first)."""
    grouped = group(runs)
    counts = sorted({run["workers"] for run in runs})
    rows = []
    for workload in workloads:
        for figure in workload.figures:
            for workers in counts:
                cells = {
                    peer: cell_of(grouped.get((peer, workload.name, workers)), figure)
                    for peer in peers
                }
                if not any(cells.values()):
                    continue
                best = best_peer(cells, figure.less)
                ratio = ratio_of(cells, best, figure.less)
                rows.append(Row(workload.name, workers, figure, cells, best, ratio))
    return rows


# ---- numbers as text -----------------------------------------------------------------------------


def number(value):
    """Three significant digits, no exponent."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(digits, 6)}f}"


def cell_text(cell):
    if cell is None:
        return "-"
    if cell.text:
        return cell.text
    if cell.runs == 1:
        return number(cell.median)
    return f"{number(cell.median)} ({number(cell.low)}-{number(cell.high)})"


def ratio_text(row):
    if row.ratio is not None:
        return f"{row.ratio:.2f}"
    ours = row.cells.get(OURS)
    if ours and ours.text and row.best:
        return "lost"
    if ours and ours.median is not None and any(c and c.text for p, c in row.cells.items() if p != OURS):
        return "alone"
    return "-"


def row_name(row):
    return f"{row.workload} {row.figure.label}" if row.figure.label else row.workload


def table_cells(rows, peers, titles):
    """The table as lists of text, the first one its head."""
    head = ["workload", "workers", "unit", *(titles[p] for p in peers), "best peer", "ratio"]
    lines = [head]
    for row in rows:
        lines.append(
            [row_name(row), str(row.workers), row.figure.unit]
            + [cell_text(row.cells[p]) for p in peers]
            + [titles[row.best] if row.best else "-", ratio_text(row)]
        )
    return lines


def text_table(lines):
    """Columns one under the other, two spaces between them."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    out = []
    for line in lines:
        out.append("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip())
    return "\n".join(out) + "\n"


def page_table(lines):
    """The same for a page in Markdown."""
    rule = ["---"] * len(lines[0])
    return "".join("| " + " | ".join(line) + " |\n" for line in [lines[0], rule, *lines[1:]])


def floor_lines(runs, floor, workers):
    """The floor as (what, figure) with the figure as text."""
    grouped = group(runs)
    lines = []
    for name, figure, _ in floor:
        cell = cell_of(grouped.get((OURS, name, workers)), figure)
        if cell:
            unit = f" {figure.unit}" if cell.text is None else ""
            lines.append((f"{figure.label} ({name})", cell_text(cell) + unit))
    return lines


def floor_times(rows, runs, floor):
    """How many times the floor of a hop our own pingpong and ring take, by workers, as text."""
    hop_name, hop_figure, _ = floor[0]
    hop = cell_of(group(runs).get((OURS, hop_name, 1)), hop_figure)
    lines = []
    for row in rows:
        ours = row.cells.get(OURS)
        if row.workload in ("pingpong", "ring") and hop and hop.median and ours and ours.median:
            name = f"{row.workload}, {row.workers} workers"
            lines.append((name, f"{ours.median / hop.median:.1f} times {hop_name}"))
    return lines


def floor_own(rows, runs, floor_of):
    """Rows whose workload has a floor of its own: that, and what ours is of it, as text."""
    grouped = group(runs)
    lines = []
    for row in rows:
        name = floor_of.get(row.workload)
        cell = cell_of(grouped.get((OURS, name, row.workers)), row.figure) if name else None
        ours = row.cells.get(OURS)
        if cell and cell.median and ours and ours.median:
            share = cell.median / ours.median if row.figure.less else ours.median / cell.median
            what = f"{row_name(row)}, {row.workers} workers ({name})"
            lines.append((what, f"{cell_text(cell)} {row.figure.unit}; ours is {share:.0%} as fast"))
    return lines


def splice(page, begin, end, text):
    """`page` with what stands between the two markers replaced."""
    before, found, rest = page.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found or not found_end:
        raise ValueError(f"the page lacks {begin} or {end}")
    return f"{before}{begin}\n{text}{end}{after}"


# ---- the chart -----------------------------------------------------------------------------------

BAR = 18  # height of a row
LEFT = 190  # width of the names
WIDTH = 900
DECADES = 2  # shown to each side of 1


def chart_x(ratio):
    """Where a ratio lies: logarithmic, 1 in the middle, at most DECADES to each side."""
    half = (WIDTH - LEFT - 130) / 2
    power = max(-DECADES, min(DECADES, math.log10(ratio)))
    return LEFT + half + power / DECADES * half


def chart_row(row, y, titles):
    name = f"{row_name(row)}, {row.workers}"
    base = y + BAR - 6
    lines = [f'<text x="{LEFT - 8}" y="{base}" text-anchor="end">{escape(name)}</text>']
    if row.ratio is None:
        note = ratio_text(row)
        lines.append(f'<text x="{chart_x(1) + 4:.1f}" y="{base}" class="note">{escape(note)}</text>')
        return lines
    x, one = chart_x(row.ratio), chart_x(1)
    kind = "ahead" if row.ratio >= 1 else "behind"
    lines.append(
        f'<rect x="{min(x, one):.1f}" y="{y + 2}" width="{max(abs(x - one), 1):.1f}" '
        f'height="{BAR - 4}" class="{kind}"/>'
    )
    note = f"{row.ratio:.2f} x {titles[row.best]}"
    lines.append(f'<text x="{max(x, one) + 4:.1f}" y="{base}" class="note">{escape(note)}</text>')
    return lines


def chart(rows, titles, heading):
    """The ratio of ours to the best peer, a bar a row, as SVG."""
    rows = [row for row in rows if ratio_text(row) != "-"]
    height = 70 + BAR * len(rows)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">',
        "<style>.ahead{fill:#2a7f3f}.behind{fill:#b3402a}.note{fill:#444}"
        ".grid{stroke:#ccc}.one{stroke:#000}</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="8" y="18" font-size="14">{escape(heading)}</text>',
    ]
    for ratio in (0.01, 0.1, 0.5, 1, 2, 10, 100):
        x = chart_x(ratio)
        kind = "one" if ratio == 1 else "grid"
        lines.append(f'<line x1="{x:.1f}" y1="46" x2="{x:.1f}" y2="{height - 16}" class="{kind}"/>')
        lines.append(f'<text x="{x:.1f}" y="40" text-anchor="middle">{ratio:g}</text>')
    for i, row in enumerate(rows):
        lines += chart_row(row, 50 + BAR * i, titles)
    return "\n".join([*lines, "</svg>"]) + "\n"
