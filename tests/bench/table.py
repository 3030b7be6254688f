"""The measurements as text."""
import statistics

import nets


def middle(values):
    return statistics.median(values)


def spread(values, form):
    return f"{middle(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def verdict(value, target, form, at_least=True):
    """The target beside a number, and whether it is met."""
    if target is None:
        return "-"
    met = value >= target if at_least else value <= target
    return f"{'>=' if at_least else '<='} {target:{form}} {'met' if met else 'MISSED'}"


def lay_out(title, head, rows):
    """A title, and columns as wide as what is in them; the first is flush left."""
    widths = [max(len(row[i]) for row in [head] + rows) for i in range(len(head))]
    print(f"\n{title}")
    for row in [head] + rows:
        cells = [cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))]
        print("  " + "  ".join(cells).rstrip())


def best_peer(r):
    """The name of PyTorch's way with the best median, on as many cores as ours; None: none lived."""
    medians = {name: middle([row["rows_per_s"] for row in rows if row])
               for name, rows in r["torch"].items() if any(rows) and not name.endswith("1x1")}
    return max(medians, key=medians.get) if medians else None


def ratios(r, peer):
    """Of neighbouring runs."""
    return [p["rows_per_s"] / t["rows_per_s"] for p, t in zip(r["lanes_8"], r["torch"][peer]) if t]


def speed(results, rounds, seconds):
    rows = []
    for net, r in results.items():
        last, peer = r["lanes_8"], best_peer(r)
        ours = middle([p["rows_per_s"] for p in last])
        theirs = [row["rows_per_s"] for row in r["torch"][peer] if row] if peer else []
        rows.append([nets.name(net), str(net.batch), f"{ours:,.0f}", f"{ours * nets.flops(net) / 1e9:,.0f}",
                     f"{middle(theirs):,.0f}" if peer else "-", peer or "-",
                     spread(ratios(r, peer), ".2f") if peer else "-",
                     verdict(middle(ratios(r, peer)), net.target, ".1f") if peer else "-",
                     f"{middle([p['input'] for p in last]):.1%}", f"{middle([p['exchange'] for p in last]):.1%}"])
    lay_out(f"Training speed, samples/s: {nets.RANKS} processes of 1 thread, data in memory, ReLU, SGD with "
            f"momentum, 8 lanes;\nmedians of {rounds} runs of {seconds:g} s by turns, ratio of neighbouring runs "
            "(least to greatest)",
            ["net", "batch", "pitprop", "GFLOP/s", "pytorch", "at its best", "ratio", "target", "input", "exchange"],
            rows)


def peers(results):
    rows = []
    for net, r in results.items():
        for name, found in r["torch"].items():
            lived = [row["rows_per_s"] for row in found if row]
            rows.append([nets.label(net), name, spread(lived, ",.0f") if lived else "did not live",
                         f"{len(lived)} of {len(found)}"])
    lay_out("PyTorch, samples/s: processes x threads 2x1 where a name has none", ["net", "way", "samples/s", "runs"], rows)


def scaling(results):
    rows = []
    for net, r in results.items():
        gains = [two["rows_per_s"] / one["rows_per_s"] for two, one in zip(r["lanes_8"], r["one"])]
        rows.append([nets.label(net), f"{middle([p['rows_per_s'] for p in r['one']]):,.0f}", spread(gains, ".2f"),
                     verdict(middle(gains), net.scaling, ".1f")])
    lay_out(f"{nets.RANKS} ranks against one, 8 lanes", ["net", "one rank", "gain", "target"], rows)


def share(results):
    rows = []
    for net, r in results.items():
        shares = [raw / p["step_s"] for raw, p in zip(r["gemm"], r["lanes_8"])]
        rows.append([nets.name(net), f"{1e3 * middle(r['gemm']):.3f}",
                     f"{1e3 * middle([p['step_s'] for p in r['lanes_8']]):.3f}", spread(shares, ".1%"),
                     verdict(middle(shares), net.share, ".0%")])
    lay_out("Share of the bare cblas_sgemm rate: the products of a step alone, a rank's rows in one call each, on "
            "all\nranks at once, against a whole step of training",
            ["net", "products, ms", "step, ms", "share", "target"], rows)


def lanes(results):
    rows = []
    for net, r in results.items():
        costs = [1 - eight["rows_per_s"] / two["rows_per_s"] for eight, two in zip(r["lanes_8"], r["lanes_2"])]
        rows.append([nets.name(net), *(f"{middle([p['rows_per_s'] for p in r[k]]):,.0f}"
                                       for k in ("lanes_2", "lanes_8")),
                     spread([100 * c for c in costs], ".1f") + " %", verdict(middle(costs), 0.10, ".0%", False)])
    lay_out(f"Cost of lanes, samples/s on {nets.RANKS} ranks: what 8 lanes lose against 2",
            ["net", "2 lanes", "8 lanes", "cost", "target"], rows)
    found = {int(r["plan"]["lanes"]) for r in results.values()}
    print(f"  The default, lanes: auto, is {' or '.join(map(str, sorted(found)))} for these jobs.")


def start(s):
    def row(what, values, target=None):
        return [what, spread(values, ".3f"), verdict(middle(values), target, ".1f", False)]
    rows = [row("mpirun started -> first step's row is in metrics.jsonl", s["first_step"], 0.5),
            row("mpirun started -> mpirun ended, one step, evaluation and model", s["whole"]),
            row("the same of a program that starts MPI, HDF5 and OpenBLAS and stops", s["bare"])]
    lay_out(f"Start-up on {nets.RANKS} ranks, seconds: {nets.name(nets.SMALL)}, {nets.SMALL.rows:,} rows, "
            f"{len(s['whole'])} runs", ["from -> to", "seconds", "target"], rows)


def memory(results, bare):
    rows = []
    for net, r in results.items():
        parts = [r["plan"][k] for k in ("data", "model and optimiser", "activations")]
        rest = r["peak"] - bare - sum(parts)
        theirs = max([row["peak"] for found in r["torch"].values() for row in found if row], default=0)
        rows.append([nets.name(net)] + [f"{b / 1e6:.1f}" for b in [r["peak"], bare, *parts, rest, theirs]])
    lay_out("Peak resident memory of the largest rank, MB (1e6 bytes); data, model and activations as `pitprop "
            "check` plans\nthem; model: parameters, gradients, optimiser; bare: a process with MPI, HDF5 and "
            "OpenBLAS started;\nPyTorch's processes hold the whole data set each, Pitprop's ranks their rows",
            ["net", "peak", "= bare", "+ data", "+ model", "+ activations", "+ rest", "pytorch's peak"], rows)


def markdown(results, facts, command):
    """The table of the README, with what it was measured on."""
    print(f"\nFor the README:\n\n{facts}. `{command}`\n")
    print("| net, batch | Pitprop, samples/s | GFLOP/s | PyTorch at its best | ratio | share of the products' rate | "
          "two ranks / one |\n|---|---|---|---|---|---|---|")
    for net, r in results.items():
        peer = best_peer(r)
        ours = middle([p["rows_per_s"] for p in r["lanes_8"]])
        theirs = f"{middle([t['rows_per_s'] for t in r['torch'][peer] if t]):,.0f} ({peer})" if peer else "-"
        shares = [raw / p["step_s"] for raw, p in zip(r["gemm"], r["lanes_8"])]
        gains = [two["rows_per_s"] / one["rows_per_s"] for two, one in zip(r["lanes_8"], r["one"])]
        print(f"| {nets.label(net)} | {ours:,.0f} | {ours * nets.flops(net) / 1e9:,.0f} | {theirs} | "
              f"{spread(ratios(r, peer), '.2f') if peer else '-'} | {spread(shares, '.0%')} | {spread(gains, '.2f')} |")
