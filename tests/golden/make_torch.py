# SPDX-License-Identifier: MIT
"""Makes tests/data/torch: PyTorch checkpoints for tests/unit/checkpoint/test_torch.c, those
that clipc reads and those that it must refuse.

    /path/to/venv/bin/python tests/golden/make_torch.py

Run from the repository's root; made with PyTorch 2.13.0, Python 3.11. Element
i of a tensor is i % 17 - 8, so that the test can tell. The pickles that would
run a program are written byte by byte and never loaded: here, as in clipc,
they are only data.
"""

import os
import pickle
import struct
from collections import Counter, OrderedDict

import torch
from torch._weights_only_unpickler import _get_allowed_globals

OUT = "tests/data/torch"


def fill(*shape, dtype=torch.float32):
    n = 1
    for d in shape:
        n *= d
    values = torch.arange(n) % 17 - 8
    if dtype in (torch.uint8, torch.bool):
        values = values.abs()
    return values.to(dtype).reshape(shape)


def save(name, value, **options):
    torch.save(value, f"{OUT}/{name}", **options)


def write(name, data_pkl, records=()):
    """An archive of torch's own writer around any pickle."""
    writer = torch._C.PyTorchFileWriter(f"{OUT}/{name}")
    writer.write_record("data.pkl", data_pkl, len(data_pkl))
    for key, data in records:
        writer.write_record(key, data, len(data))
    writer.write_end_of_file()


def good():
    module = torch.nn.Linear(3, 2)
    module.load_state_dict({"weight": fill(2, 3), "bias": fill(2)})
    state = module.state_dict()
    assert type(state) is OrderedDict and state._metadata
    save("state-dict.bin", state)
    for protocol in 3, 4, 5:
        save(f"protocol-{protocol}.bin", dict(state),
             pickle_protocol=protocol)

    kinds = {"f32": torch.float32, "f16": torch.float16,
             "bf16": torch.bfloat16, "f64": torch.float64,
             "i64": torch.int64, "i32": torch.int32, "i16": torch.int16,
             "i8": torch.int8, "u8": torch.uint8, "bool": torch.bool,
             "c64": torch.complex64}
    save("dtypes.bin", {name: fill(2, 3, dtype=dtype)
                        for name, dtype in kinds.items()})

    save("shapes.bin", {
        "scalar": torch.tensor(4.5), "empty": torch.empty(0, 4),
        "one": fill(1, 1, 1), "eight": fill(1, 2, 1, 2, 1, 2, 1, 2),
        # as CLIP's position_ids are made: a stride of 0 or 77, no matter
        "position_ids": torch.arange(77).expand((1, -1))})

    whole = fill(4, 6)
    save("shared.bin", {"whole": whole, "tied": whole, "rows": whole[1:3],
                        "last": whole[3], "copy": whole.clone()})
    save("parameter.bin", {"weight": torch.nn.Parameter(fill(2, 3)),
                           "frozen": torch.nn.Parameter(
                               fill(3), requires_grad=False)})

    module.train()
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3)
    module(fill(1, 3)).sum().backward()
    optimizer.step()
    module.load_state_dict({"weight": fill(2, 3), "bias": fill(2)})
    save("training.pt", {
        "epoch": 32, "name": "ViT", "loss": 2.5, "done": None,
        "state_dict": OrderedDict(("module." + k, v)
                                  for k, v in module.state_dict().items()),
        "optimizer": optimizer.state_dict()})

    torch.serialization.set_crc32_options(False)
    save("no-crc.bin", {"weight": fill(2, 3)})
    torch.serialization.set_crc32_options(True)
    # a value that is no tensor is passed over
    save("more.bin", {"weight": fill(2, 3), "epoch": 3, "names": ["a", "b"],
                      "big": 1 << 40, "negative": -5})


def with_attribute(tensor):
    tensor.init_std = 0.02
    return tensor


def beside():
    """What torch.load(weights_only=True) admits beside tensors: values, and
    tensors that are not read."""
    values = {
        "dtype": torch.float16, "float8": torch.float8_e5m2,
        "device": torch.device("cuda", 1), "size": torch.Size([2, 3]),
        "set": {1, 2}, "no set": set(), "complex": 1 + 2j,
        "bytearray": bytearray(b"ab"), "bytes": b"ab\xff",
        "counter": Counter("aab"), "ordered": OrderedDict(a=1),
        "layout": torch.sparse_coo, "qscheme": torch.per_tensor_affine,
        "class": torch.FloatTensor, "storage": torch.arange(3).untyped_storage(),
        "large": 1 << 64, "larger": -(1 << 600), torch.int8: 1}
    odd = {
        "c128": fill(2, dtype=torch.complex128),
        "float8": fill(2, 3).to(torch.float8_e4m3fn),
        "u16": fill(2, 3).abs().to(torch.uint16),
        "sparse": fill(2, 3).to_sparse(),
        "csr": fill(2, 3).to_sparse_csr(),
        "quantized": torch.quantize_per_tensor(fill(2, 3), 0.5, 0,
                                               torch.qint8),
        "channels": torch.quantize_per_channel(
            fill(2, 3), torch.ones(2), torch.zeros(2), 0, torch.quint8),
        "meta": torch.empty(2, 3, device="meta"),
        "nested": torch.nested.nested_tensor([fill(2), fill(3)]),
        "conj": fill(2, dtype=torch.complex64).conj(),
        "neg": torch._neg_view(fill(2, 3))}
    read = {
        "weight": fill(2, 3),
        "parameter": with_attribute(torch.nn.Parameter(fill(2, 3))),
        "attribute": with_attribute(fill(2, 3))}
    state = {**odd, **read, **{f"x {k}": v for k, v in values.items()}}
    save("beside.bin", state)
    save("around.bin", {"state_dict": read, **values})
    # where a state dict is looked for
    save("size.bin", torch.Size([2, 3]))
    save("counted.bin", {"state_dict": Counter("aab")})
    # every name that is admitted, as a value
    names = b"".join(
        text(name) + "c{}\n{}\n".format(*name.rsplit(".", 1)).encode()
        for name in sorted(_get_allowed_globals()))
    save("named.bin", {"weight": fill(2, 3)})
    whole = torch._C.PyTorchFileReader(f"{OUT}/named.bin")
    data_pkl = whole.get_record("data.pkl")
    assert data_pkl[-2:] == b"s."
    write("named.bin", data_pkl[:-1] + b"(" + names + b"u.",
          [("byteorder", b"little"),
           ("data/0", whole.get_record("data/0"))])
    for name in ("beside.bin", "around.bin", "size.bin", "counted.bin",
                 "named.bin"):
        torch.load(f"{OUT}/{name}", weights_only=True)


def legacy():
    """The form before 1.6."""
    options = {"_use_new_zipfile_serialization": False}
    save("old.bin", {"weight": fill(2, 3)}, **options)
    whole = fill(4, 6)
    save("old-shared.bin", {
        "whole": whole, "tied": whole, "rows": whole[1:3], "last": whole[3],
        "copy": whole.clone(), "f16": fill(3, dtype=torch.float16),
        "odd": fill(5, dtype=torch.uint8), "empty": torch.empty(0, 4),
        "transposed": fill(2, 3).t(), "f64": fill(2, 3, dtype=torch.float64)},
        **options)
    save("old-training.pt", {
        "epoch": 32, "dtype": torch.float16, "buffers": [fill(7), fill(3)],
        "state_dict": OrderedDict({
            "module.weight": torch.nn.Parameter(fill(2, 3)),
            "module.bias": fill(2), "module.sparse": fill(2, 3).to_sparse()})},
         **options)
    for name in ("old.bin", "old-shared.bin", "old-training.pt"):
        torch.load(f"{OUT}/{name}", weights_only=True)


def views():
    save("transposed.bin", {"weight": fill(2, 3).t()})
    save("expanded.bin", {"weight": fill(3).expand(2, 3)})
    save("strided.bin", {"weight": fill(4, 6)[:, :3]})


def refused_kinds():
    torch.jit.script(torch.nn.Linear(3, 2)).save(f"{OUT}/script.pt")
    save("sparse.bin", {"weight": fill(2, 3).to_sparse()})
    save("float8.bin", {"weight": fill(2, 3).to(torch.float8_e4m3fn)})
    save("module.bin", torch.nn.Linear(3, 2))
    save("tensor.bin", fill(2, 3))
    save("list.bin", [fill(2, 3)])
    save("none.bin", {"epoch": 3})
    with open(f"{OUT}/bare.bin", "wb") as file:
        pickle.dump({"weight": 1}, file, protocol=2)


def text(value):
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def call(module, name, *arguments):
    """What a pickle looks like that calls MODULE.NAME when it is loaded."""
    tuples = {1: b"\x85", 2: b"\x86", 3: b"\x87"}
    return (f"c{module}\n{name}\n".encode() +
            b"".join(map(text, arguments)) + tuples[len(arguments)] + b"R")


def hostile():
    marker = "touch /tmp/clipc-was-here"
    write("os-system.bin", b"\x80\x02" + call("os", "system", marker) + b".")
    write("posix-system.bin",
          b"\x80\x02" + call("posix", "system", marker) + b".")
    write("eval.bin",
          b"\x80\x02" + call("builtins", "eval", "1 + 1") + b".")
    # inside a state dict, by a name made of two texts
    write("stack-global.bin",
          b"\x80\x04}" + text("weight") + text("os") + text("system") +
          b"\x93" + text(marker) + b"\x85Rs.")
    write("inst.bin", b"\x80\x02(" + text(marker) + b"ios\nsystem\n.")
    write("obj.bin", b"\x80\x02(cos\nsystem\n" + text(marker) + b"o.")
    write("newobj.bin", b"\x80\x02csubprocess\nPopen\n" + text(marker) +
          b"\x85\x81.")
    write("ext.bin", b"\x80\x02\x82\x01.")
    # an attribute of something allowed
    write("dotted.bin", b"\x80\x04" + text("collections") +
          text("OrderedDict.__init__.__globals__") + b"\x93.")
    write("torch-load.bin",
          b"\x80\x02" + call("torch", "load", "http://[::1]/x") + b".")
    # allowed functions, called with what they must not be
    write("storage-call.bin", b"\x80\x02ctorch\nFloatStorage\n)R.")
    write("ordered.bin", b"\x80\x02ccollections\nOrderedDict\n" +
          b"(" + text("a") + b"tR.")
    write("build.bin", b"\x80\x02]}b.")
    write("persistent.bin", b"\x80\x02" + text("/etc/passwd") + b"Q.")


def main():
    os.makedirs(OUT, exist_ok=True)
    good()
    beside()
    legacy()
    views()
    refused_kinds()
    hostile()
    total = sum(os.path.getsize(f"{OUT}/{name}") for name in os.listdir(OUT))
    print(f"{len(os.listdir(OUT))} files, {total} bytes, "
          f"PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()
