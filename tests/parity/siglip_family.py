# SPDX-License-Identifier: MIT
"""SigLIP and SigLIP 2: checkpoints of the published shapes, at full width with
seeded random weights, stage by stage against transformers' SiglipModel; and
the same network kept in other ways, at other precisions, in packed files.

    sh tests/parity/run.sh --only siglip
    sh tests/parity/run.sh --only siglip --shape siglip-so400m14-384
    sh tests/parity/run.sh --only siglip --family complete --shape ...

The depth is cut to 3 layers a tower, the width never; complete cuts only the
40 layers of giant-opt's image tower. Folders of weights are removed when they
have been compared.
"""

import json
import os
import shutil

import numpy as np

import compare
import models
import precision
import sensitivity
import siglip_models

SEED = 20261129
LAYERS = 3
DEPTH = {768: 12, 1024: 24, 1152: 27, 1536: 12}  # of a width, complete
N_PICTURES, N_LABELS = 3, 8
PROBABILITY_BOUND = 1e-5

# (width, heads, mlp) of the text tower; the same, patch and image size of the
# image tower; rows of the vocabulary; tokens of a text. siglip is the first
# SigLIP, with a spiece.model and pictures made bicubically; siglip2 has
# Gemma's tokenizer and bilinear pictures.
BASE, LARGE = (768, 12, 3072), (1024, 16, 4096)
SO400M, GIANT = (1152, 16, 4304), (1536, 16, 6144)
SHAPES = {
    "siglip-b16-224": (BASE, (*BASE, 16, 224), 32000, 64),
    "siglip2-b32-256": (BASE, (*BASE, 32, 256), 256000, 64),
    "siglip-l16-256": (LARGE, (*LARGE, 16, 256), 32000, 64),
    # 27 patches a side; the last 6 pixels are not read.
    "siglip-so400m14-384": (SO400M, (*SO400M, 14, 384), 32000, 64),
    "siglip-so400m14-224": (SO400M, (*SO400M, 14, 224), 32000, 16),
    "siglip2-so400m16-256": (SO400M, (*SO400M, 16, 256), 32000, 64),
    "siglip2-gopt16-256": (SO400M, (*GIANT, 16, 256), 32000, 64),
}
STORED = {"siglip-l16-256": "F16", "siglip2-so400m16-256": "BF16"}
ONE_TOWER = ("siglip-b16-224", "siglip2-gopt16-256")
PRECISIONS = ("siglip-b16-224", "siglip2-so400m16-256")
PIECES = "tests/data/pieces"
# More and fewer patches; 6 pixels more, where nothing is interpolated.
SIZES = {"siglip-b16-224": (384, 160, 230), "siglip-so400m14-384": (224, 380)}


class Checkpoint:
    def __init__(self, session, name):
        text, vision, n_pieces, positions = SHAPES[name]
        self.name, self.work, self.folders = name, session.args.work, []
        complete = session.args.family == "complete"
        self.layers = [DEPTH[tower[0]] if complete else LAYERS
                       for tower in (text, vision)]
        self.config = siglip_models.config_json(
            (text[0], self.layers[0], *text[1:]),
            (vision[0], self.layers[1], *vision[1:]), n_pieces, positions)
        self.size, self.positions = vision[4], positions
        self.second = name.startswith("siglip2")
        if self.second:
            words = " ".join(session.labels).lower().split() * 2
            self.tokenizer = siglip_models.tokenizer_json(
                *siglip_models.gemma_pieces(
                    ["".join(c for c in w if "a" <= c <= "z") or "a"
                     for w in words], 400, n_pieces), positions)
        self.state = siglip_models.random_state(self.config, SEED)

    def write(self, kind, config=None, state=None, dtype="F32"):
        path = f"{self.work}/{self.name}-{kind}"
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path)
        self.folders.append(path)
        models.write_json(f"{path}/config.json", config or self.config)
        models.write_json(f"{path}/preprocessor_config.json",
                          siglip_models.preprocessor_json(
                              self.size, 2 if self.second else 3))
        self.write_tokenizer(path)
        models.write_weights(f"{path}/model.safetensors", state or self.state,
                             dtype)
        return path

    def write_tokenizer(self, path):
        if self.second:
            models.write_json(f"{path}/tokenizer.json", self.tokenizer)
            models.write_json(f"{path}/tokenizer_config.json",
                              siglip_models.tokenizer_config_json())
            return
        shutil.copyfile(f"{PIECES}/rules.model", f"{path}/spiece.model")
        with open(f"{PIECES}/tokenizer_config.json") as file:
            config = json.load(file)
        models.write_json(f"{path}/tokenizer_config.json",
                          config | {"model_max_length": self.positions})

    def write_tower(self, tower, named):
        """A tower by itself. named: whether its tensors carry its name, as
        those of a SiglipModel do; transformers 5 leaves the name out."""
        prefix = f"{tower}_model."
        state = {k if named else k.removeprefix(prefix): v
                 for k, v in self.state.items() if k.startswith(prefix)}
        return self.write(tower, self.config[f"{tower}_config"], state)

    def remove(self):
        for path in self.folders:
            shutil.rmtree(path, ignore_errors=True)
        self.folders = []


def settings(session):
    gemms = ["native"]
    if session.programs.machine.get("openblas"):
        gemms.append("openblas")
    return [(threads, batch, gemm) for gemm in gemms
            for threads, batch in ((1, 1), (2, 8))]


def compare_scores(session, folder, expected, name):
    """Logits with the bias, and each label's own sigmoid."""
    programs, table = session.programs, session.table
    labels = compare.write_labels(f"{programs.work}/labels.txt",
                                  expected.labels)
    logits, probabilities, _, _ = compare.classify(
        programs, folder, labels, len(expected.labels), expected.pictures, 2,
        False)
    setting = f"{len(expected.pictures)} x {len(expected.labels)}"
    table.check(name, "logits", setting,
                compare.largest(logits, expected.logits), compare.LOGIT_BOUND)
    table.check(name, "probabilities", setting,
                compare.largest(probabilities, expected.probabilities),
                PROBABILITY_BOUND)


def compare_folder(session, folder, expected, name):
    programs, table = session.programs, session.table
    try:
        compare.compare_pixels(programs, folder, expected, table, name)
        compare.compare_trace(programs, folder, expected, table, name,
                              settings(session))
        compare.compare_embeddings(programs, folder, expected, table, name)
        compare_scores(session, folder, expected, name)
    except (compare.ProgramFailed, AssertionError, OSError,
            ValueError) as error:
        table.check(name, "program", str(error), np.inf, 0)


def compare_images(session, folder, expected, name):
    """The image tower alone: the text tower has been compared."""
    programs, table = session.programs, session.table
    expected.text_trace = {}
    try:
        compare.compare_pixels(programs, folder, expected, table, name)
        compare.compare_trace(programs, folder, expected, table, name,
                              settings(session))
    except (compare.ProgramFailed, AssertionError, OSError,
            ValueError) as error:
        table.check(name, "program", str(error), np.inf, 0)


def ask(session, folder, image_size=None):
    from siglip_reference import SiglipReference
    ref = SiglipReference(folder, image_size)
    return ref, compare.Expected(ref, session.pictures[:N_PICTURES],
                                 session.labels[:N_LABELS])


def one_tower(session, checkpoint, expected):
    """The towers by themselves: transformers' own classes for them, and what
    the model of both answered."""
    import torch
    import transformers
    programs, table = session.programs, session.table
    for tower, kind, items, want in (
            ("text", "--text", expected.labels,
             expected.text_raw[:len(expected.labels)]),
            ("vision", "--image", expected.pictures, expected.image_raw)):
        for named in (True, False):
            folder = checkpoint.write_tower(tower, named)
            if not named:
                cls = getattr(transformers, f"Siglip{tower.title()}Model")
                model = cls.from_pretrained(folder, dtype=torch.float32).eval()
                with torch.inference_mode():
                    want = (model(input_ids=torch.tensor(expected.label_ids))
                            if tower == "text" else
                            model(pixel_values=torch.from_numpy(
                                expected.pixels))).pooler_output.numpy()
            got = compare.embed(programs, folder, kind, items, 2, raw=True)
            table.check(checkpoint.name, f"{tower} tower alone",
                        f"{cls.__name__}'s names" if not named
                        else "SiglipModel's names",
                        compare.largest(got, want, compare.lengths(want)),
                        compare.EMBEDDING_BOUND, f"{len(items)}")


def precisions(session, folder, expected, name):
    """bf16 and int8 against clipc's own f32 on each instruction set, and
    packed files, which must give the bits of their model."""
    asked = {"image": expected.pictures, "text": expected.labels}
    rows = {kind: precision.everywhere(session, folder, kind, items)
            for kind, items in asked.items()}
    for kind, found in rows.items():
        for isa in dict.fromkeys(isa for _, isa in found):
            precision.from_f32(session.table, f"{name} {isa}", kind, {
                d: found[d, isa] for d in precision.DTYPES})
    precision.packed(session, name, folder, asked, rows)


def each_tensor(session, folder, expected, name):
    """Each tensor 1 % larger in turn, through the trace of both towers and
    the logits, with the bounds of the comparison."""
    programs, table = session.programs, session.table
    target = f"{programs.work}/perturbed-{name}"
    sensitivity.copy_folder(folder, target)
    labels = compare.write_labels(f"{programs.work}/two.txt",
                                  expected.labels[:2])
    missed, n = [], 0
    for tensor in sensitivity.weight_names(target):
        if sensitivity.without_effect(tensor):
            continue
        n += 1
        with sensitivity.Perturbed(target, tensor, sensitivity.FACTOR):
            if tensor in ("logit_scale", "logit_bias"):
                got = compare.classify(programs, target, labels, 2,
                                       expected.pictures[:1], 2, False)[0]
                share = compare.largest(got, expected.logits[:1, :2]) / \
                    compare.LOGIT_BOUND
            else:
                got = compare.run_trace(programs, target, expected, 2, 8,
                                        "native")
                share = max(
                    compare.largest(got[s], want, compare.lengths(want)) /
                    compare.EMBEDDING_BOUND for s, want in
                    (expected.image_trace | expected.text_trace).items()
                    if s.endswith("projection"))
        if share <= 1:
            missed.append(tensor)
    table.check(name, "any other + 1 %", "must fail", len(missed), 0,
                f"{n} tensors {' '.join(missed)}".strip())
    shutil.rmtree(target)


def tiny(session):
    name = "tiny-siglip-odd"
    folder = f"tests/data/{name}"
    session.title(folder)
    ref, expected = ask(session, folder)
    compare_folder(session, folder, expected, name)
    session.title(f"{folder}, each tensor 1 % larger in turn")
    each_tensor(session, folder, expected, name)


def compare_shape(session, name):
    from siglip_reference import check_is_a_test
    table = session.table
    checkpoint = Checkpoint(session, name)
    try:
        folder = checkpoint.write("F32")
        depth = "{} and {} layers".format(*checkpoint.layers)
        session.title(f"{name}, {depth}")
        ref, expected = ask(session, folder)
        check_is_a_test(ref, expected, table, name)
        compare_folder(session, folder, expected, name)
        n = sum(v.size for v in checkpoint.state.values())
        said = f"{name}: {depth}, {n:,} parameters"
        if n <= 200_000_000:
            layers, image, text = compare.float64(ref, expected)
            said += ("; torch float32 from torch float64: layers "
                     f"{layers:.1e}, unit embeddings: image {image:.1e}, "
                     f"text {text:.1e}")
        table.note(said)
        del ref
        if name in PRECISIONS:
            precisions(session, folder, expected, name)
        if name in ONE_TOWER:
            one_tower(session, checkpoint, expected)
        for size in SIZES.get(name, ()):
            session.programs.image_size = size
            _, other = ask(session, folder, size)
            compare_images(session, folder, other, f"{name} @{size}")
            session.programs.image_size = None
        if name in STORED:
            dtype = STORED[name]
            folder = checkpoint.write(dtype, dtype=dtype)
            _, other = ask(session, folder)
            compare_folder(session, folder, other, f"{name} {dtype}")
    finally:
        session.programs.image_size = None
        checkpoint.remove()


def compare_siglip(session):
    if not session.args.shape:
        tiny(session)
    for name in session.args.shape or SHAPES:
        if name in SHAPES:
            compare_shape(session, name)
