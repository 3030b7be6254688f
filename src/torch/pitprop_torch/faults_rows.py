"""Faults of the rows: what a script does to them before it trains."""

from collections import defaultdict

from .fault import fault


def shuffled_apart(recorder, training):
    """Two orders of the same length, drawn at two lines: one for the inputs, another for the targets."""
    drawn = defaultdict(set)
    for name, rows, line in recorder.orders:
        drawn[name, rows].add(line)
    for (name, rows), places in drawn.items():
        if len(places) < 2 or rows < 10:
            continue
        places = sorted(places)
        return [
            fault(
                "misaligned-rows",
                places[0],
                f"{name} draws an order of {rows} rows here and another one in line {places[1][1]}: if one is for the "
                "inputs and the other for the targets, rows and targets no longer belong together",
                "one order for both: order = np.random.permutation(len(x)); x, y = x[order], y[order]",
                [{"do": "together"}],
                certain=False,
            )
        ]
    return []
