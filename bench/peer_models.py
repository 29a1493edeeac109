# SPDX-License-Identifier: MIT
"""The model that peers.py times and its exports, made once into a folder:

    b32/                 full-size ViT-B/32, seeded random weights (the parity
                         suite's generator), Hugging Face layout
    image.onnx           image tower, pixels [B, 3, S, S] -> [B, E], B free
    image-int8.onnx      ONNX Runtime's dynamic quantisation of its MatMuls
    image-int8.xml       OpenVINO after NNCF's static quantisation
    pixels.npy           [64, 3, S, S] float32, drawn pictures preprocessed
    picture.jpg          one 640 x 480 picture for whole processes
    versions.txt         what made them; another version makes them again
"""

import importlib.metadata
import os
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
SEED = 20261124  # of the parity suite: the same weights
N_PIXELS = 64    # pictures for cosines
N_CALIBRATE = 32  # pictures NNCF sees
PACKAGES = ["torch", "transformers", "onnxruntime", "openvino", "nncf",
            "onnx", "numpy"]


def versions():
    return {name: importlib.metadata.version(name) for name in PACKAGES}


def drawn(n, seed):
    """n pictures, uint8 [224, 224, 3]: smooth shapes, edges and noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:224, :224] / 224.0
    out = []
    for _ in range(n):
        picture = np.zeros((224, 224, 3))
        for _ in range(12):
            fx, fy, phase = rng.uniform(-9, 9, 3)
            wave = np.sin(6.28 * (fx * x + fy * y) + phase)
            inside = (x - rng.uniform()) ** 2 + (y - rng.uniform()) ** 2 < \
                rng.uniform(0.02, 0.4)
            picture += (wave * inside)[..., None] * rng.uniform(-1, 1, 3)
        picture += 0.1 * rng.standard_normal((224, 224, 1))
        low, high = picture.min(), picture.max()
        out.append(((picture - low) * (255 / (high - low))).astype(np.uint8))
    return np.stack(out)


def normalised(pictures, models):
    mean = np.array(models.MEAN, np.float32)
    std = np.array(models.STD, np.float32)
    pixels = (pictures.astype(np.float32) / 255 - mean) / std
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))


def image_tower(folder, dtype=None):
    """A torch module, pixels -> raw image embedding."""
    import torch
    from transformers import CLIPVisionModelWithProjection

    class Tower(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.clip = CLIPVisionModelWithProjection.from_pretrained(
                folder, dtype=dtype or torch.float32).eval()

        def forward(self, pixels):
            return self.clip(pixel_values=pixels).image_embeds
    return Tower().eval()


def export_onnx(cache):
    import torch
    tower = image_tower(f"{cache}/b32")
    pixels = torch.from_numpy(np.load(f"{cache}/pixels.npy")[:2])
    with torch.inference_mode():
        torch.onnx.export(
            tower, (pixels,), f"{cache}/image.onnx", input_names=["pixels"],
            output_names=["answer"], dynamo=True, external_data=True,
            dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=64)},))


def quantise_onnx(cache):
    from onnxruntime.quantization import QuantType, quantize_dynamic
    quantize_dynamic(f"{cache}/image.onnx", f"{cache}/image-int8.onnx",
                     weight_type=QuantType.QInt8)


def quantise_openvino(cache):
    import nncf
    import openvino
    model = openvino.Core().read_model(f"{cache}/image.onnx")
    pixels = np.load(f"{cache}/calibration.npy")
    model.reshape([1, *pixels.shape[1:]])
    data = nncf.Dataset([pixels[i:i + 1] for i in range(N_CALIBRATE)])
    quantised = nncf.quantize(model, data, subset_size=N_CALIBRATE,
                              model_type=nncf.ModelType.TRANSFORMER)
    quantised.reshape([-1, *pixels.shape[1:]])
    openvino.save_model(quantised, f"{cache}/image-int8.xml",
                        compress_to_fp16=False)


def prepare(cache):
    """Makes what is missing; returns when everything is there."""
    sys.path.insert(0, f"{ROOT}/tests/parity")
    import models
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
    with open(f"{ROOT}/weights/labels/car-labels.txt",
              encoding="utf-8") as file:
        words = file.read().lower().split()
    # A vocabulary of the real size: what follows the trained merges is never
    # met in a text.
    merges = models.train_merges(words, 600)
    known = set(models.vocabulary(merges))
    letters = [c for c in models.byte_alphabet().values()]
    for left in letters:
        for right in letters:
            for end in "", "</w>":
                if len(merges) < 48894 and left + right + end not in known:
                    merges.append((left, right + end))
    models.write_b32(f"{cache}/b32", merges, SEED)
    np.save(f"{cache}/pixels.npy", normalised(drawn(N_PIXELS, 1), models))
    np.save(f"{cache}/calibration.npy",
            normalised(drawn(N_CALIBRATE, 2), models))
    from PIL import Image
    Image.fromarray(drawn(1, 3)[0]).resize((640, 480)).save(
        f"{cache}/picture.jpg", quality=90)
    for step in export_onnx, quantise_onnx, quantise_openvino:
        print(f"peers: {step.__name__}", flush=True)
        step(cache)
    with open(path, "w", encoding="utf-8") as file:
        file.write(stamp)


if __name__ == "__main__":
    prepare(sys.argv[1])
