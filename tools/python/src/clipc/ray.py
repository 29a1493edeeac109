# SPDX-License-Identifier: MIT
"""Embeds data sets on Ray: clipc.spark's job on Ray Data, with one actor a CPU.

    sums = clipc.ray.run(["data/"], "OUT", clipc.shards.Options(model="model.clipc"))

Ray restarts actors that die and repeats their shards. Files and promises are those
of clipc.shards.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any, Optional

from clipc import shards
from clipc.shards import Options, Shard, Stats

__all__ = ["run"]


class _Embedder:
    def __init__(self, out: str, options: Options) -> None:
        self._out, self._options = out, options

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        stats = shards.embed_shard(Shard(**row), self._out, self._options)
        return {"number": stats["number"], "skipped": "skipped" in stats}


def run(
    inputs: list[str],
    out: str,
    options: Options,
    list_rows: int = 10_000,
    actors: Optional[int] = None,
) -> Stats:
    """Embeds all inputs; the sums, as OUT/_SUCCESS has them. actors: None: as many
    as the cluster has CPUs for, options.threads each."""
    import ray.data

    out = os.path.abspath(out)
    planned = shards.plan(inputs, out, list_rows)
    with suppress(FileNotFoundError):
        os.unlink(os.path.join(out, "_SUCCESS"))
    options = replace(options, model_sha256=shards.open_model(options)[1])
    if not ray.is_initialized():
        ray.init()
    if actors is None:
        actors = max(1, int(ray.cluster_resources().get("CPU", 1)) // options.threads)
    rows = ray.data.from_items([asdict(s) for s in planned], override_num_blocks=len(planned))
    pool = ray.data.ActorPoolStrategy(size=min(actors, len(planned)))
    arguments = {"fn_constructor_args": (out, options), "num_cpus": options.threads}
    done = rows.map(_Embedder, compute=pool, **arguments).take_all()
    checked = [shards.check_shard(shard.number, out) for shard in planned]
    sums = shards.finish(out, planned, checked)
    shards.sweep(out)
    return {**sums, "skipped": sum(row["skipped"] for row in done)}
