# SPDX-License-Identifier: MIT
"""The models that peers.py times and their exports, each made once into a
folder of its own:

    model/               full size, seeded random weights (the parity suite's
                         generators), Hugging Face layout
    image.onnx           image tower, pixels [B, 3, S, S] -> [B, E], B free
    image-int8.onnx      ONNX Runtime's dynamic quantisation of its MatMuls
    image-int8.xml       OpenVINO after NNCF's static quantisation
    pixels.npy           [64, 3, S, S] float32, drawn pictures preprocessed
    ids.npy, text*       SigLIP: token ids [206, 64] of the labels, and the
                         text tower in the same three forms
    picture.jpg          one 640 x 480 picture for whole processes
    versions.txt         what made them; another version makes them again
"""

import dataclasses
import importlib.metadata
import os
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
SEED = 20261124  # of the parity suite: the same weights
N_PIXELS = 64    # pictures for cosines
N_TEXTS = 64     # texts of SigLIP that a call may have
N_LABELS = 10000  # of the case `labels`
TORCH_LABELS = 10  # torch gets one in so many of these
N_CALIBRATE = 32  # pictures, or other texts, NNCF sees
LABELS = f"{ROOT}/weights/labels/car-labels.txt"
PACKAGES = ["torch", "transformers", "onnxruntime", "openvino", "nncf",
            "onnx", "numpy"]


@dataclasses.dataclass
class Model:
    """A model of the shape people use. Width 768, 12 layers, MLP 3072."""
    title: str
    page: str   # of docs/
    patch: int
    size: int   # of a picture
    family: str = "SigLIP"

    @property
    def is_clip(self):
        return self.family == "CLIP"

    def gflop(self):
        """Of one image, multiply-adds times two."""
        width, layers, mlp = 768, 12, 3072
        patches = (self.size // self.patch) ** 2
        rows = patches + self.is_clip
        total = patches * 3 * self.patch ** 2 * width + layers * (
            rows * (4 * width ** 2 + 2 * width * mlp) +
            2 * rows ** 2 * width)
        if not self.is_clip:  # keys and values of all rows, then one row
            total += 2 * rows * (width ** 2 + width) + \
                2 * width ** 2 + 2 * width * mlp
        return 2e-9 * total

    def normalised(self, pictures):
        import models
        mean = np.array(models.MEAN if self.is_clip else [0.5] * 3, np.float32)
        std = np.array(models.STD if self.is_clip else [0.5] * 3, np.float32)
        pixels = (pictures.astype(np.float32) / 255 - mean) / std
        return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))


MODELS = {
    "clip-b32": Model("CLIP ViT-B/32", "BENCHMARKS", 32, 224, "CLIP"),
    "siglip2-b16-224": Model("SigLIP 2 B/16-224", "BENCHMARKS-siglip2-b16-224",
                             16, 224),
    "siglip2-b32-256": Model("SigLIP 2 B/32-256", "BENCHMARKS-siglip2-b32-256",
                             32, 256),
}


# ---- contestants ----------------------------------------------------------


def contestant(runtime, dtype, cpu="auto"):
    """"clipc int8 avx2": the name in results."""
    return f"{runtime} {dtype}" + (f" {cpu}" if cpu != "auto" else "")


def are_peers(ours, theirs):
    """Whether clipc's contestant is compared with another: the same numbers,
    and forced to the same instruction set, or both free."""
    return ours.startswith("clipc ") and not theirs.startswith("clipc ") and \
        ours.split(" ")[1:] == theirs.split(" ")[1:]


def versions():
    return {name: importlib.metadata.version(name) for name in PACKAGES}


def drawn(n, seed, size):
    """n pictures, uint8 [S, S, 3]: smooth shapes, edges and noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size
    out = []
    for _ in range(n):
        picture = np.zeros((size, size, 3))
        for _ in range(12):
            fx, fy, phase = rng.uniform(-9, 9, 3)
            wave = np.sin(6.28 * (fx * x + fy * y) + phase)
            inside = (x - rng.uniform()) ** 2 + (y - rng.uniform()) ** 2 < \
                rng.uniform(0.02, 0.4)
            picture += (wave * inside)[..., None] * rng.uniform(-1, 1, 3)
        picture += 0.1 * rng.standard_normal((size, size, 1))
        low, high = picture.min(), picture.max()
        out.append(((picture - low) * (255 / (high - low))).astype(np.uint8))
    return np.stack(out)


# ---- towers ---------------------------------------------------------------


def tower(model, task, folder, dtype=None):
    """A torch module: pixels [B, 3, S, S], or SigLIP's token ids [B, 64], ->
    raw embeddings [B, E]."""
    import torch
    import transformers
    name = {("CLIP", "image"): "CLIPVisionModelWithProjection",
            ("SigLIP", "image"): "SiglipVisionModel",
            ("SigLIP", "text"): "SiglipTextModel"}[model.family, task]

    class Tower(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = getattr(transformers, name).from_pretrained(
                folder, dtype=dtype or torch.float32).eval()

        def forward(self, inputs):
            if task == "text":
                return self.net(input_ids=inputs).pooler_output
            out = self.net(pixel_values=inputs)
            return out.image_embeds if model.is_clip else out.pooler_output
    return Tower().eval()


def inputs(cache, task, name="pixels"):
    """What a tower of these exports reads: all of it."""
    return np.load(f"{cache}/ids.npy" if task == "text"
                   else f"{cache}/{name}.npy")


def export_onnx(model, task, cache):
    import torch
    some = torch.from_numpy(inputs(cache, task)[:2])
    with torch.inference_mode():
        torch.onnx.export(
            tower(model, task, f"{cache}/model"), (some,),
            f"{cache}/{task}.onnx", input_names=["inputs"],
            output_names=["answer"], dynamo=True, external_data=True,
            dynamic_shapes=({0: torch.export.Dim("batch", min=1,
                                                 max=N_PIXELS)},))


def quantise_onnx(_, task, cache):
    from onnxruntime.quantization import QuantType, quantize_dynamic
    quantize_dynamic(f"{cache}/{task}.onnx", f"{cache}/{task}-int8.onnx",
                     weight_type=QuantType.QInt8)


def quantise_openvino(_, task, cache):
    import nncf
    import openvino
    exported = openvino.Core().read_model(f"{cache}/{task}.onnx")
    # Of the labels, those that are not timed.
    data = inputs(cache, task, "calibration")[-N_CALIBRATE:]
    exported.reshape([1, *data.shape[1:]])
    quantised = nncf.quantize(
        exported, nncf.Dataset([data[i:i + 1] for i in range(N_CALIBRATE)]),
        subset_size=N_CALIBRATE, model_type=nncf.ModelType.TRANSFORMER)
    quantised.reshape([-1, *data.shape[1:]])
    openvino.save_model(quantised, f"{cache}/{task}-int8.xml",
                        compress_to_fp16=False)


# ---- checkpoints ----------------------------------------------------------


def label_words():
    with open(LABELS, encoding="utf-8") as file:
        return file.read().lower().split()


def many_labels():
    """Texts of 3 to 15 words of the labels, which seldom begin alike."""
    rng, words = np.random.default_rng(4), sorted(set(label_words()))
    return [" ".join(rng.choice(words, rng.integers(3, 16)))
            for _ in range(N_LABELS)]


def clip_merges():
    """A vocabulary of the real size: what follows the trained merges is never
    met in a text."""
    import models
    merges = models.train_merges(label_words(), 600)
    known = set(models.vocabulary(merges))
    letters = [c for c in models.byte_alphabet().values()]
    for left in letters:
        for right in letters:
            for end in "", "</w>":
                if len(merges) < 48894 and left + right + end not in known:
                    merges.append((left, right + end))
    return merges


def make_clip(folder):
    import models
    models.write_b32(folder, clip_merges(), SEED)


def make_siglip2(model, folder):
    import siglip_models
    base = (768, 12, 12, 3072)
    pieces, merges = siglip_models.gemma_pieces(label_words(), 600, 256000)
    siglip_models.write_siglip2(
        folder, siglip_models.config_json(
            base, (*base, model.patch, model.size), len(pieces)),
        siglip_models.tokenizer_json(pieces, merges), SEED)


def write_ids(cache):
    """Token ids of the labels, as the reference pads them."""
    from transformers import AutoTokenizer
    tokenizer = AutoTokenizer.from_pretrained(f"{cache}/model")
    with open(LABELS, encoding="utf-8") as file:
        labels = file.read().splitlines()
    ids = tokenizer(labels, padding="max_length", max_length=64,
                    truncation=True, return_tensors="np")["input_ids"]
    np.save(f"{cache}/ids.npy", ids.astype(np.int64))


def prepare(model, cache):
    """Makes what is missing; returns when everything is there."""
    sys.path.insert(0, f"{ROOT}/tests/parity")
    import models
    from PIL import Image
    stamp = "".join(f"{k} {v}\n" for k, v in versions().items())
    stamp += f"weights {models.STYLE_VERSION}\n"
    path = f"{cache}/versions.txt"
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            if file.read() == stamp:
                return
        os.remove(path)
    os.makedirs(cache, exist_ok=True)
    print(f"peers: making the model and its exports in {cache}", flush=True)
    if model.is_clip:
        make_clip(f"{cache}/model")
    else:
        make_siglip2(model, f"{cache}/model")
        write_ids(cache)
    np.save(f"{cache}/pixels.npy",
            model.normalised(drawn(N_PIXELS, 1, model.size)))
    np.save(f"{cache}/calibration.npy",
            model.normalised(drawn(N_CALIBRATE, 2, model.size)))
    Image.fromarray(drawn(1, 3, model.size)[0]).resize((640, 480)).save(
        f"{cache}/picture.jpg", quality=90)
    for task in ["image"] if model.is_clip else ["image", "text"]:
        for step in export_onnx, quantise_onnx, quantise_openvino:
            print(f"peers: {step.__name__}, {task}", flush=True)
            step(model, task, cache)
    with open(path, "w", encoding="utf-8") as file:
        file.write(stamp)


if __name__ == "__main__":
    prepare(MODELS[sys.argv[1]], sys.argv[2])
