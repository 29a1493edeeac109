# SPDX-License-Identifier: MIT
"""PyTorch checkpoints with more in them than plain tensors: whether clipc reads
what torch.load(weights_only=True) reads, and the embeddings.

    python tests/parity/checkpoints.py [BUILD [WORD]]

Run from the repository's root. Exit status 1 when a verdict is another, or when
an embedding differs by more than 2e-6 from that of transformers; where
transformers cannot use what torch read, from that of the plain folder.
"""

import collections
import datetime
import decimal
import enum
import functools
import os
import pathlib
import shutil
import sys
import warnings

import numpy as np
import torch

from adapters import BASES, Run, embeddings, load
from reference import assert_reference


warnings.simplefilter("ignore")


def with_attribute(tensor):
    tensor.init_std = 0.02
    return tensor


ROWS = torch.arange(6.0).reshape(2, 3)

# what stands beside the tensors, or around the state dict
VALUES = {
    "None": None, "True": True, "float": 2.5, "text": "fp16", "list": [1, "a"],
    "tuple": (1, (2, ())), "dict": {"a": {1: 2}},
    "small integer": -3, "32 bits": -(1 << 31), "40 bits": 1 << 40,
    "63 bits": -(1 << 63), "65 bits": 1 << 64, "600 bits": 1 << 600,
    "dtype": torch.float16, "bfloat16": torch.bfloat16, "bits": torch.bits8,
    "float8": torch.float8_e4m3fn, "uint1": torch.uint1, "qint": torch.qint8,
    "qscheme": torch.per_channel_affine, "device": torch.device("cuda", 0),
    "Size": torch.Size([2, 3]), "shape": ROWS.shape,
    "set": {1, 2}, "empty set": set(), "complex": 1 - 2j,
    "bytearray": bytearray(b"ab"), "empty bytearray": bytearray(),
    "bytes": b"\0\xff", "Counter": collections.Counter("aab"),
    "empty Counter": collections.Counter(),
    "OrderedDict": collections.OrderedDict(a=1),
    "defaultdict": collections.defaultdict(int),
    "layout": torch.strided, "sparse layout": torch.sparse_csr,
    "Tensor class": torch.Tensor, "FloatTensor": torch.FloatTensor,
    "sparse class": torch.sparse.HalfTensor, "Parameter": torch.nn.Parameter,
    "storage class": torch.FloatStorage,
    "untyped storage": ROWS.untyped_storage(),
    "a function of torch": torch._utils._rebuild_tensor_v2,
    "I64": torch.arange(3), "C64": torch.zeros(2, dtype=torch.complex64),
    "C128": torch.zeros(2, dtype=torch.complex128),
    "uint16": torch.arange(3).to(torch.uint16),
    "uint64": torch.arange(3).to(torch.uint64),
    "float8 tensor": ROWS.to(torch.float8_e5m2),
    "sparse": ROWS.to_sparse(), "csr": ROWS.to_sparse_csr(),
    "quantized": torch.quantize_per_tensor(ROWS, 0.5, 0, torch.quint8),
    "quantized rows": torch.quantize_per_channel(
        ROWS, torch.ones(2), torch.zeros(2), 0, torch.qint8),
    "quantized to 32": torch.quantize_per_tensor(ROWS, 0.5, 0, torch.qint32),
    "meta": torch.empty(2, 3, device="meta"),
    "nested": torch.nested.nested_tensor([ROWS, ROWS]),
    "negative view": torch._neg_view(ROWS),
    "conjugate": torch.zeros(2, dtype=torch.complex64).conj(),
    "attribute": with_attribute(ROWS.clone()),
    "parameter": torch.nn.Parameter(ROWS),
    "parameter with attribute": with_attribute(torch.nn.Parameter(ROWS)),
    "hooks": torch.nn.Parameter(ROWS, requires_grad=False),
    # not admitted
    "frozenset": frozenset({1}), "empty bytes": b"", "range": range(3),
    "slice": slice(1), "type": int, "numpy": np.arange(3),
    "numpy number": np.float32(2), "path": pathlib.PurePosixPath("/a"),
    "date": datetime.date(2020, 1, 1), "decimal": decimal.Decimal(1),
    "namespace": torch.nn.Identity(), "enum": enum.IntFlag,
    "partial": functools.partial(int), "deque": collections.deque([1]),
    "memory format": torch.contiguous_format, "finfo": torch.Generator,
    "random state": torch.get_rng_state(), "finer": torch.nn.Linear(1, 1),
}

# what a tensor of the network is made to be
CHANGED = {
    "parameter": torch.nn.Parameter,
    "parameter with attribute":
        lambda t: with_attribute(torch.nn.Parameter(t)),
    "attribute": lambda t: with_attribute(t.clone()),
    "F64": lambda t: t.double(), "F16": lambda t: t.half(),
    "transposed": lambda t: t.t().contiguous().t(),
    "every other": lambda t: torch.stack([t, t], -1)[..., 0],
}
REFUSED = {
    "sparse": lambda t: t.to_sparse(), "meta": lambda t: t.to("meta"),
    "float8": lambda t: t.to(torch.float8_e4m3fn),
    "negative view": lambda t: torch._neg_view(t.neg()),
    "quantized": lambda t: torch.quantize_per_tensor(
        t.float(), 0.1, 0, torch.qint8),
}
# torch's old reader fails on storages without a type, and looks at the sizes of a
# nested tensor before it has read them: what lies in memory decides.
OLD_READER = ("untyped storage", "uint16", "uint64", "float8 tensor", "nested")
LEGACY = {"_use_new_zipfile_serialization": False}
NAMES = ("vision_model.encoder.layers.0.mlp.fc1.weight",
         "text_model.encoder.layers.1.self_attn.q_proj.weight")


class Checkpoints(Run):
    def folder(self, base):
        folder = f"{self.work}/checkpoint"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(BASES[base], folder)
        os.remove(f"{folder}/model.safetensors")
        return folder

    def judge(self, title, base, content, plain, **options):
        """transformers' numbers where it reads the file, else `plain`. options:
        of torch.save()."""
        if not self.wants(title):
            return
        folder = self.folder(base)
        path = f"{folder}/pytorch_model.bin"
        try:
            torch.save(content, path, **options)
        except Exception as error:  # pylint: disable=broad-except
            self.tell(f"{title}: torch does not save it: {error}"[:120])
            return
        try:
            torch.load(path, weights_only=True, map_location="cpu")
        except Exception:  # pylint: disable=broad-except
            if not options or title.split(": ")[-1] not in OLD_READER:
                self.refuse(title, ["--model", folder], "pytorch_model.bin")
            return
        want = plain
        if "state_dict" not in content:
            try:
                want = embeddings(load(folder), folder, self.picture)
            except Exception as error:  # pylint: disable=broad-except
                self.tell(f"{title}: transformers: {error}"[:120])
        self.compare(title, ["--model", folder], want)


def main():
    from safetensors.torch import load_file
    assert_reference()
    run = Checkpoints(sys.argv[1] if len(sys.argv) > 1 else "build/release",
                      sys.argv[2] if len(sys.argv) > 2 else "", print)
    try:
        for base in BASES:
            state = load_file(f"{BASES[base]}/model.safetensors")
            plain = embeddings(load(BASES[base]), BASES[base], run.picture)
            for name, value in VALUES.items():
                run.judge(f"{base}: beside: {name}", base,
                          {**state, "x": value}, plain)
                run.judge(f"{base}: around: {name}", base,
                          {"state_dict": state, "x": value}, plain)
                run.judge(f"{base}: legacy: {name}", base,
                          {**state, "x": value}, plain, **LEGACY)
            for name, change in CHANGED.items():
                changed = {k: change(v) if k in NAMES else v
                           for k, v in state.items()}
                run.judge(f"{base}: {name}", base, changed, plain)
                run.judge(f"{base}: legacy: {name}", base, changed, plain,
                          **LEGACY)
            for name, change in REFUSED.items():
                title = f"{base}: needed: {name}"
                if not run.wants(title):
                    continue
                folder = run.folder(base)
                torch.save({k: change(v) if k in NAMES else v
                            for k, v in state.items()},
                           f"{folder}/pytorch_model.bin")
                run.refuse(title, ["--model", folder], f"tensor {NAMES[0]} is")
    finally:
        shutil.rmtree(run.work)
    print(f"checkpoints: {run.n} cases, {run.wrong} wrong; the largest "
          f"difference {run.worst:.2g}")
    return run.wrong > 0


if __name__ == "__main__":
    sys.exit(main())
