"""An epoch of streamed rows against the same rows in memory, by layout of the file, and how fast the cores can
inflate them: all by turns in one run."""
import concurrent.futures
import json
import os
import statistics
import time
import zlib

import h5py

import measure
import nets
import table

NET = nets.NETS[2]  # 28-64-64-1: few multiplications for each byte that comes in
TORCH_SECONDS = 4  # of a run of PyTorch
EPOCHS = 2  # that count in a run; one more before them warms up
TARGETS = {"contiguous": 0.9, "chunked": 0.9, "gzip": None}  # layout: least share of the rate in memory


def budget(rows):
    """Bytes for the rows of a rank: 256 MiB, and less than there are."""
    return min(256 << 20, rows * 4 * NET.widths[0] * 3 // 4)


def data_files(bench, rows):
    """Made once for a number of rows: one of normal numbers with three decimals, and what repack makes of it;
    chunked as gzip is, with the chunks that repack chooses."""
    files = {name: bench.path(f"stream-{rows}-{name}.h5") for name in TARGETS}
    if not os.path.exists(files["contiguous"]):
        write(files["contiguous"], rows)
    if not os.path.exists(files["gzip"]):
        measure.run([bench.pitprop, "repack", files["contiguous"], files["gzip"], "-q", "--gzip", "1"])
    if not os.path.exists(files["chunked"]):
        with h5py.File(files["gzip"], "r") as file:
            chunk = str(file["x"].chunks[0])
        measure.run([bench.pitprop, "repack", files["contiguous"], files["chunked"], "-q", "--chunk-rows", chunk])
    return files


def write(path, rows, block=100_000):
    with h5py.File(path + ".part", "w") as file:
        file.create_dataset("x", (rows, NET.widths[0]), "f4")
        file.create_dataset("y", (rows,), "u1")
        for at in range(0, rows, block):
            x, y = nets.data(NET._replace(rows=min(block, rows - at)))
            file["x"][at:at + len(x)], file["y"][at:at + len(x)] = x.round(3), y
    os.rename(path + ".part", path)


def epoch_rate(bench, path, rows, ranks, residency):
    """Rows a second of the epochs after the first, and the share of the time that was waiting for rows."""
    steps = -(-rows // NET.batch)
    job = nets.job(NET, path, 8, (1 + EPOCHS) * steps, steps)
    job["data"].update(residency=residency, memory=budget(rows) if residency == "stream" else "auto")
    with open(bench.path("job.json"), "w", encoding="utf-8") as file:
        json.dump(job, file)
    measure.run(["mpirun", "-n", str(ranks), bench.pitprop, "train", bench.path("job.json"), "-o", bench.path("run"),
                 "--overwrite", "-q"])
    with open(bench.path("run/metrics.jsonl"), encoding="utf-8") as file:
        found = [row["timing"] for row in map(json.loads, file) if row["type"] == "step"][1:]
    seconds = sum(row["seconds"] for row in found)
    return {"rows_per_s": EPOCHS * rows / seconds, "wait": sum(row.get("input_wait_s", 0) for row in found) / seconds}


def inflate(path, share, ranks):
    """Seconds to inflate every ranks-th chunk of x, which were read before."""
    with h5py.File(path, "r") as file:
        x = file["x"].id
        chunks = [x.read_direct_chunk(x.get_chunk_info(i).chunk_offset)[1]
                  for i in range(share, x.get_num_chunks(), ranks)]
    begun = time.perf_counter()
    for chunk in chunks:
        zlib.decompress(chunk)
    return time.perf_counter() - begun


def inflate_rate(path, rows, ranks):
    """Rows a second on as many processes at once: nothing but zlib, no unshuffling."""
    with concurrent.futures.ProcessPoolExecutor(ranks) as pool:
        return rows / max(pool.map(inflate, [path] * ranks, range(ranks), [ranks] * ranks))


def torch_rate(bench, path, how, ranks):
    """Rows a second of PyTorch over h5py, in as many processes at once, none of which talks to another."""
    words = [bench.torch, os.path.join(measure.HERE, "h5torch.py"), path, how, str(TORCH_SECONDS)]
    with concurrent.futures.ThreadPoolExecutor(ranks) as pool:
        return sum(map(float, pool.map(lambda _: measure.run(words), range(ranks))))


def measure_streams(bench, rows, ranks, rounds, say):
    files = data_files(bench, rows)
    found = {"rows": rows, "ranks": ranks, "memory": [], "inflate": {"gzip": []},
             "layouts": {n: [] for n in files},
             "torch": {how: {n: [] for n in files} for how in ("rows", "blocks")}, "bytes": {n: os.path.getsize(p) for n, p in files.items()}}
    for i in range(rounds):
        for name, path in files.items():
            kept = epoch_rate(bench, files["contiguous"], rows, ranks, "memory")["rows_per_s"]
            streamed = epoch_rate(bench, path, rows, ranks, "stream")
            found["memory"].append(kept)
            found["layouts"][name].append({**streamed, "ratio": streamed["rows_per_s"] / kept})
            for how in ("rows", "blocks"):
                found["torch"][how][name].append(streamed["rows_per_s"] / torch_rate(bench, path, how, ranks))
            if name in found["inflate"]:
                found["inflate"][name].append(inflate_rate(path, rows, ranks))
            say(f"{name}, round {i + 1}: {streamed['rows_per_s']:,.0f} rows/s, in memory {kept:,.0f}")
    return found


def both_on_the_same_cores(kept, inflated):
    """Rows a second where each row is first inflated and then trained on, with nothing lost."""
    return 1 / (1 / kept + 1 / inflated)


def show(found):
    kept, rows = statistics.median(found["memory"]), []
    for name, runs in found["layouts"].items():
        ratios, target = [r["ratio"] for r in runs], TARGETS[name]
        middle = statistics.median(r["rows_per_s"] for r in runs)
        inflated = found["inflate"].get(name)
        bound = both_on_the_same_cores(kept, statistics.median(inflated)) if inflated else None
        rows.append([name, f"{found['bytes'][name] / 1e6:,.0f}", f"{middle:,.0f}", table.spread(ratios, ".2f"),
                     table.verdict(statistics.median(ratios), target, ".1f"),
                     f"{statistics.median(r['wait'] for r in runs):.1%}",
                     f"{statistics.median(inflated):,.0f}" if inflated else "-",
                     f"{middle / bound:.2f}" if bound else "-",
                     *(f"{statistics.median(found['torch'][how][name]):.1f}" for how in ("rows", "blocks"))])
    table.lay_out(f"An epoch of {found['rows']:,} rows, {nets.name(NET)}, batch {NET.batch}, streamed with "
                  f"{budget(found['rows']) >> 20} MiB a rank, ranks: {found['ranks']}, rows/s; in memory: {kept:,.0f}\n"
                  "inflate: zlib alone, as many processes; of both: share of what as many cores could do, each row "
                  "inflated\nand then trained on, with nothing lost in between; torch: times the rate of PyTorch over h5py "
                  "in as many processes,\nwhich shuffles by row (DataLoader) or within blocks of 65536 rows",
                  ["layout", "MB", "streamed", "of in memory", "target", "waiting", "inflate", "of both", "torch, rows", "blocks"], rows)
