# SPDX-License-Identifier: MIT
"""Shows that the comparison has teeth: a checkpoint in which one tensor is
1 % larger must not pass as the reference's.

Two kinds of tensors cannot show in everything:

- k_proj.bias adds the same number q . b to all scores of a query, and softmax
  subtracts it again: no value of it changes any output of the network, in
  torch as in clipc. That it is read is shown by a NaN in it.
- visual_projection and text_projection scale an embedding that is then brought
  to unit length: they show in raw embeddings only.
"""

import os
import shutil

import numpy as np

import compare
import models

FACTOR = 1.01


def copy_folder(source, target, weights_too=True):
    os.makedirs(target, exist_ok=True)
    for name in os.listdir(source):
        if name == "model.safetensors" and not weights_too:
            continue
        shutil.copyfile(f"{source}/{name}", f"{target}/{name}")
        os.chmod(f"{target}/{name}", 0o644)


class Perturbed:
    """One tensor of a file, multiplied in place for the length of a with
    block."""

    def __init__(self, folder, name, factor):
        self.path = f"{folder}/model.safetensors"
        ranges = models.tensor_ranges(self.path)
        dtype, _, self.begin, end = ranges[name]
        self.n_bytes = end - self.begin
        self.dtype = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2")}[dtype]
        self.factor = factor

    def __enter__(self):
        with open(self.path, "r+b") as file:
            file.seek(self.begin)
            self.original = file.read(self.n_bytes)
            values = np.frombuffer(self.original, self.dtype)
            changed = values.astype(np.float32) * np.float32(self.factor)
            file.seek(self.begin)
            file.write(changed.astype(self.dtype).tobytes())

    def __exit__(self, *_):
        with open(self.path, "r+b") as file:
            file.seek(self.begin)
            file.write(self.original)


def weight_names(folder):
    ranges = models.tensor_ranges(f"{folder}/model.safetensors")
    return [name for name, (dtype, *_) in ranges.items() if dtype != "I64"]


def without_effect(name):
    return name.endswith("k_proj.bias")


def through_everything(programs, folder, expected, table, name):
    """Tiny checkpoints: the whole comparison for each tensor in turn."""
    target = f"{programs.work}/perturbed-{name}"
    copy_folder(folder, target)
    settings = [(1, 8, "native")]
    silent = compare.Table(verbose=False)
    good = compare.compare_all(programs, target, expected, silent, name,
                               settings)
    table.check(name, "unchanged copy", "must pass", not good, 0,
                ", ".join(r.stage for r in silent.rows if not r.passed))
    missed, invariant, unread = [], [], []
    names = weight_names(target)
    for tensor in names:
        quiet = compare.Table(verbose=False)
        with Perturbed(target, tensor, FACTOR):
            passed = compare.compare_all(programs, target, expected, quiet,
                                         name, settings)
        if without_effect(tensor):
            if not passed:
                invariant.append(tensor)
            if not reads_nan(programs, target, tensor, expected):
                unread.append(tensor)
        elif passed:
            missed.append(tensor)
    n_invariant = sum(map(without_effect, names))
    table.check(name, "any other + 1 %", "must fail", len(missed), 0,
                f"{len(names) - n_invariant} tensors {' '.join(missed)}"
                .strip())
    table.check(name, "k_proj.bias + 1 %", "must pass", len(invariant), 0,
                f"{n_invariant} tensors {' '.join(invariant)}".strip())
    table.check(name, "k_proj.bias = NaN", "must fail", len(unread), 0,
                f"{n_invariant} tensors {' '.join(unread)}".strip())


def reads_nan(programs, folder, tensor, expected):
    kind, items = inputs_of(tensor, expected)
    with Perturbed(folder, tensor, np.nan):
        try:
            compare.embed(programs, folder, kind, items)
        except compare.ProgramFailed:
            return True
    return False


def inputs_of(tensor, expected):
    if tensor.startswith("text"):
        return "--text", expected.labels[:2]
    return "--image", expected.pictures[:1]


def full_size(programs, folder, expected, table, name):
    """The full-size checkpoint: each tensor in turn, one picture or two texts
    through `clipc-inspect embed --raw`, held against the bounds of raw and
    unit embeddings; logit_scale through clipc-classify."""
    target = f"{programs.work}/perturbed-{name}"
    copy_folder(folder, target)
    names = weight_names(target)
    missed, only_raw, moved_k = [], [], 0.0
    weakest = (np.inf, "")
    for tensor in names:
        kind, items = inputs_of(tensor, expected)
        want = (expected.text_raw[:2] if kind == "--text"
                else expected.image_raw[:1])
        with Perturbed(target, tensor, FACTOR):
            if tensor == "logit_scale":
                labels = compare.write_labels(f"{programs.work}/two.txt",
                                              expected.labels[:2])
                got = compare.classify(programs, target, labels, 2,
                                       expected.pictures[:1], 2, True)[0]
                share = compare.largest(got, expected.logits[:1, :2]) \
                    / compare.LOGIT_BOUND
                in_unit = share
            else:
                got = compare.embed(programs, target, kind, items, raw=True)
                share = compare.largest(got, want, compare.lengths(want)) \
                    / compare.EMBEDDING_BOUND
                in_unit = compare.largest(compare.unit(got),
                                          compare.unit(want)) \
                    / compare.EMBEDDING_BOUND
        if without_effect(tensor):
            moved_k = max(moved_k, share)
            continue
        if share <= 1:
            missed.append(tensor)
        elif in_unit <= 1:
            only_raw.append(tensor)
        weakest = min(weakest, (share, tensor))
    n_k = sum(map(without_effect, names))
    table.check(name, "any other + 1 %", "must fail", len(missed), 0,
                f"{len(names) - n_k} tensors {' '.join(missed)}".strip())
    table.check(name, "k_proj.bias + 1 %", "one after the other",
                moved_k * compare.EMBEDDING_BOUND, compare.EMBEDDING_BOUND,
                f"{n_k} tensors")
    table.note(f"of all tensors 1 % larger, {weakest[1]} shows least: "
               f"{weakest[0]:.1f} times the bound; in raw embeddings only: "
               f"{', '.join(only_raw)}")
    os.remove(f"{target}/model.safetensors")


def reference_ignores_k_bias(ref, expected, table, name):
    """The same of torch: its embeddings when every k_proj.bias grows."""
    import torch
    biases = [p for n, p in ref.model.named_parameters() if without_effect(n)]
    with torch.no_grad():
        for p in biases:
            p.mul_(FACTOR)
        image = ref.encode_images(expected.pixels[:1])
        for p in biases:
            p.div_(FACTOR)
    moved = compare.largest(compare.unit(image),
                            compare.unit(expected.image_raw[:1]))
    table.check(name, "k_proj.bias + 1 %", "in torch, all at once", moved,
                compare.EMBEDDING_BOUND, f"{len(biases)} tensors")
