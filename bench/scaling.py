# SPDX-License-Identifier: MIT
"""How far a folder of pictures scales with CPUs, from the times of its stages
on one: what ends it first, and what the queue's parameters must be.

    python3 bench/scaling.py [--read MS] [--tower MS] [--weights MB] ...

The pipeline of tools/pictures/pipeline.c is simulated: as many readers as CPUs
decode pictures; the caller takes a batch of them, makes pixels and runs the
tower on as many threads as CPUs, then writes the records. All runnable threads
share the CPUs evenly. A thread of the tower that has LANE_ROWS rows or more
works alone; with fewer, all share each product and meet at barriers. Beside
the simulation stands what each resource allows by itself: the caller's own
work, the queue's lock, the thread that finds names, the stream of weights.

The times are those of one thread: `clipc-embed --threads 1 --stats` prints
read, decode, resize and the tower; `clipc-bench image` the tower alone. No
package is needed."""

import argparse

LANE_ROWS = 192      # of lib/towers/tower.c
CHUNK_ROWS = 512     # a lane's rows, for which the weights are read once
BARRIERS = 12 * 9    # of a pass in a shared lane
CPUS = [1, 2, 4, 8, 16, 32, 64]


def parse():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    def number(name, default, text):
        p.add_argument(f"--{name}", type=float, default=default,
                       help=f"{text} (default: {default:g})")
    number("read", 1.7, "ms a picture: read, decode, resize")
    number("tower", 10.0, "ms a picture: the tower, one thread")
    number("pixels", 0.14, "ms a picture: bytes to floats")
    number("write", 0.02, "ms a picture: the record, by the caller")
    number("name", 0.006, "ms a picture: finding its name")
    number("lock", 0.004, "ms a picture that the queue's lock is held")
    number("barrier", 0.004, "ms a barrier, at 2 threads; grows with log2")
    number("weights", 85, "MB of weights that a pass reads")
    number("bandwidth", 20, "GB/s of memory that one CPU gets")
    number("sockets", 300, "GB/s of memory that all CPUs get")
    number("rows", 50, "rows of a picture in the tower")
    p.add_argument("--serial-pixels", action="store_true",
                   help="the caller alone makes pixels, as before 0.2")
    return p.parse_args()


def tower_ms(a, cpus, batch):
    """Milliseconds of a batch on idle CPUs, after its pixels."""
    rows = batch * a.rows / cpus
    if cpus == 1 or rows >= LANE_ROWS:  # lanes of whole pictures
        return -(-batch // cpus) * a.tower
    depth = max(1, cpus.bit_length() - 1)
    return batch * a.tower / cpus + BARRIERS * a.barrier * depth


def simulate(a, cpus, batch, ahead, batches=30):
    """Pictures a second of the second half of a run."""
    decoding = []            # work left of each reader
    ready = in_flight = 0    # READ; READING, READ and being encoded
    phase, left, now, done, half_at, half = None, 0.0, 0.0, 0, 0.0, 0
    while done < batches * batch:
        while len(decoding) < cpus and in_flight < ahead * batch + cpus:
            decoding.append(a.read * (0.8 + 0.4 * ((done + len(decoding) * 7)
                                                   % 11) / 10))
            in_flight += 1
        if phase is None and ready >= batch:
            ready -= batch
            phase, left = "pixels", batch * a.pixels / (
                1 if a.serial_pixels else cpus)
        busy = 0
        if phase:
            alone = phase == "write" or (phase == "pixels" and a.serial_pixels)
            busy = 1 if alone else cpus
        speed = min(1.0, cpus / (busy + len(decoding)))
        step = min([left] * bool(phase) + decoding) / speed
        now += step
        decoding = [w - step * speed for w in decoding]
        ready += sum(w <= 1e-9 for w in decoding)
        decoding = [w for w in decoding if w > 1e-9]
        if not phase:
            continue
        left -= step * speed
        if left > 1e-9:
            continue
        if phase == "pixels":
            phase, left = "tower", tower_ms(a, cpus, batch)
        elif phase == "tower":
            phase, left = "write", batch * a.write
        else:
            phase = None
            done += batch
            in_flight -= batch
            if done == batches * batch // 2:
                half_at, half = now, done
    return (done - half) / (now - half_at) * 1e3


def limits(a, cpus, batch):
    """Pictures a second that each resource allows by itself."""
    serial = a.write + (a.pixels if a.serial_pixels else 0)
    lanes = cpus if batch * a.rows / cpus >= LANE_ROWS else 1
    per_pass = min(CHUNK_ROWS / a.rows, batch / lanes)
    mb = a.weights / per_pass  # a picture's share of the weights' stream
    gb = min(a.sockets, a.bandwidth * cpus)
    return {"CPUs": 1e3 * cpus / (a.read + a.tower + a.pixels + a.write),
            "caller": 1e3 / serial, "lock": 1e3 / a.lock,
            "names": 1e3 / a.name, "memory": 1e3 * gb / mb}


def main():
    a = parse()
    names = list(limits(a, 1, 8))
    print("batch 8: as before. 4 N: 4 pictures a CPU, 8 at least. Pictures a "
          "second, the\nshare of what N CPUs could do, and each resource's own "
          "limit at 4 N.\n")
    print("| CPUs | batch 8 | batch 4 N | " + " | ".join(names) + " |")
    print("|---" * (3 + len(names)) + "|")
    for cpus in CPUS:
        most = limits(a, cpus, 8)["CPUs"]
        cells = []
        for batch in 8, max(8, 4 * cpus):
            rate = simulate(a, cpus, batch, 3)
            cells.append(f"{rate:,.0f} ({100 * rate / most:.0f} %)")
        cells += [f"{v:,.0f}"
                  for v in limits(a, cpus, max(8, 4 * cpus)).values()]
        print(f"| {cpus} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
