# SPDX-License-Identifier: MIT
"""Embeds data sets on Apache Spark.

    python -m clipc.spark --model model.clipc -o OUT data/*.tar more/*.parquet
    spark-submit --master ... -m clipc.spark ...

writes the layout that clipc.shards describes, one task an input file: a task that
fails is repeated, finished shards are left out by the next run, OUT/_SUCCESS comes
last. And for columns of a DataFrame:

    embedded = clipc.spark.embed(df, "image", model="model.clipc")

Every worker needs this package with pyarrow, the model under the same path (a
packed file is mapped once a machine), inputs and OUT under the same paths.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar

from clipc import shards
from clipc._errors import ClipcError
from clipc._pictures import loaded, picture_of
from clipc.shards import Options, Stats

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["embed", "main", "run"]

Answer = TypeVar("Answer")
# Before what a task says of its failure. Of an exception in a task the driver sees
# a text alone, which Spark puts among its own.
_FAILED = "clipc.spark failed: "


def _told(what: str, work: Callable[[], Answer]) -> Answer:
    """What work() returns; its exception becomes a line that names `what`."""
    try:
        return work()
    except Exception as error:
        line = " ".join(f"{what}: {_words(error)}".splitlines())
        raise RuntimeError(_FAILED + line) from error


def _words(error: Exception) -> str:
    """An exception in a line."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    return str(error) or type(error).__name__


def _words_of_spark(error: Exception) -> str:
    """What a task has said, or the first line of what Spark says."""
    said = str(error) or type(error).__name__
    told = re.search(re.escape(_FAILED) + "(.+)", said)
    if told:
        return told[1]
    # "An error occurred while calling o12.f.", and then the exception.
    texts = [line.strip(": ") for line in said.splitlines() if line.strip(": ")]
    return texts[1] if len(texts) > 1 and texts[0].startswith("An error") else texts[0]


def run(
    spark: SparkSession, inputs: list[str], out: str, options: Options, list_rows: int = 10_000
) -> Stats:
    """Embeds all inputs; the sums, as OUT/_SUCCESS has them.

    Raises:
        ClipcError: as shards.plan() and shards.finish() do; "config": the model
            cannot be opened here.
        py4j.protocol.Py4JJavaError: a task has failed as often as
            spark.task.maxFailures allows, or Spark itself cannot go on.
        OSError: as shards.plan().
    """
    out = os.path.abspath(out)
    planned = shards.plan(inputs, out, list_rows)
    with suppress(FileNotFoundError):
        os.unlink(os.path.join(out, "_SUCCESS"))
    # Workers refuse another file of the same name.
    _, model_sha256 = shards.open_model(options)
    options = replace(options, model_sha256=model_sha256)
    context = spark.sparkContext
    tasks = context.parallelize(planned, len(planned))
    done = tasks.map(
        lambda shard: _told(shard.path, lambda: shards.embed_shard(shard, out, options))
    ).map(lambda stats: (stats["number"], "skipped" in stats))
    skipped = sum(was for _, was in done.collect())
    slices = min(len(planned), 4 * context.defaultParallelism)
    numbers = context.parallelize([shard.number for shard in planned], slices)
    checked = numbers.map(
        lambda number: _told(f"shard {number}", lambda: shards.check_shard(number, out))
    ).collect()
    sums = shards.finish(out, planned, checked)
    shards.sweep(out)
    return {**sums, "skipped": skipped}


def embed(
    df: DataFrame, image: str = "image", *, model: str, precision: str = "auto", **settings: Any
) -> DataFrame:
    """The rows of df with three more columns: embedding (array<float>, of unit
    length; null where it failed), status ("ok" or the library's status) and
    message. image: a column of bytes, of paths, or of structs {bytes, path}.
    settings: others of shards.Options. Evaluated as the rows are asked for, in
    bounded memory; one model a Python worker.
    """
    options = Options(model=model, precision=precision, **settings)
    taken = {"embedding", "status", "message"} & set(df.columns)
    if taken or image not in df.columns:
        raise ClipcError("argument", f"columns {df.columns}: need {image}, may not have {taken}")

    def work(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        opened, _ = shards.open_model(options)
        for batch in batches:
            cells = (loaded(picture_of(cell.as_py())[0]) for cell in batch.column(image))
            answers = list(shards.answers(opened, cells, options.threads))
            good = [None if isinstance(a, ClipcError) else a for a in answers]
            wrong = [a if isinstance(a, ClipcError) else None for a in answers]
            yield pa.RecordBatch.from_arrays(
                [
                    *batch.columns,
                    pa.array(good, pa.list_(pa.float32())),
                    pa.array([error.status if error else "ok" for error in wrong]),
                    pa.array([error.message if error else None for error in wrong], pa.string()),
                ],
                [*batch.schema.names, "embedding", "status", "message"],
            )

    from pyspark.sql import types

    schema = types.StructType(list(df.schema.fields))
    schema = schema.add("embedding", types.ArrayType(types.FloatType()))
    schema = schema.add("status", types.StringType()).add("message", types.StringType())
    return df.mapInArrow(work, schema)


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("clipc.spark", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("inputs", nargs="+", metavar="INPUT", help="*.tar, *.parquet, *.txt (paths), folders")
    add("-o", "--out", required=True, help="folder that every worker sees")
    add("--model", required=True, help="packed file, folder, or demo")
    add("--precision", default="auto", choices=["auto", "f32", "bf16", "int8"])
    add("--threads", type=int, default=1, help="of one task: spark.task.cpus (default: 1)")
    add("--dtype", default="float32", choices=["float32", "float16"], help="of the .npy files")
    add("--no-parquet", action="store_true", help="no embeddings/ beside img_emb/")
    add("--image", help="column of Parquet files with the pictures")
    add("--key", help="column that names them")
    add("--keep", action="append", default=[], metavar="COLUMN", help="copied to metadata/")
    add("--decode", default="exact", choices=["exact", "fast"])
    add("--exif", action="store_true", help="turn pictures as their EXIF orientation says")
    add("--alpha", default="drop", choices=["drop", "white"])
    add("--list-rows", type=int, default=10_000, help="paths of a list in one shard")
    add("--master", help="of Spark, where spark-submit does not say it")
    return parser.parse_args(argv)


def main(argv: Optional[list[str]] = None) -> int:
    """The command line. Exit status: 0 all embedded, 1 some inputs failed (errors/
    says why), 2 wrong usage, 3 the job cannot run."""
    args = _arguments(sys.argv[1:] if argv is None else argv)
    options = Options(
        model=os.path.abspath(args.model) if os.path.exists(args.model) else args.model,
        precision=args.precision,
        threads=args.threads,
        dtype=args.dtype,
        parquet=not args.no_parquet,
        image=args.image,
        key=args.key,
        keep=tuple(args.keep),
        auto_orient=args.exif,
        alpha=args.alpha,
        decode=args.decode,
    )
    try:
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError as error:
        return _failed(f"{error}: pip install 'clipc[spark]'")
    try:
        builder = SparkSession.builder.appName("clipc")
        spark = (builder.master(args.master) if args.master else builder).getOrCreate()
        try:
            sums = run(spark, args.inputs, args.out, options, args.list_rows)
        finally:
            with suppress(Exception):  # it may have ended before
                spark.stop()
    except (ClipcError, OSError) as error:
        return _failed(_words(error))
    except (Py4JError, PySparkException) as error:
        return _failed(_words_of_spark(error))
    except Exception:
        # Python's own status would be that of inputs that failed.
        traceback.print_exc()
        return 3
    print(json.dumps(sums))
    return 1 if sums["failed"] else 0


def _failed(words: str) -> int:
    print(f"clipc.spark: {words}", file=sys.stderr)
    return 3


if __name__ == "__main__":
    sys.exit(main())
