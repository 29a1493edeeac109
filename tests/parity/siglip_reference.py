# SPDX-License-Identifier: MIT
"""What transformers' SiglipModel computes: the questions of reference.py.

A text is always padded to max_position_embeddings, without an attention mask,
as the model was trained and as its processor hands texts over."""

import numpy as np
import torch

from reference import Hooks, Reference, assert_reference, flat


class SiglipReference(Reference):
    def __init__(self, folder, image_size=None):
        assert_reference()
        from transformers import (AutoTokenizer, SiglipImageProcessorPil,
                                  SiglipModel)
        self.model = SiglipModel.from_pretrained(
            folder, dtype=torch.float32).eval()
        for name, p in self.model.named_parameters():
            assert p.dtype == torch.float32 and p.device.type == "cpu", name
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.image_processor = SiglipImageProcessorPil.from_pretrained(folder)
        self.sizes, self.interpolate = {}, {}
        if image_size:
            self.sizes = {"size": {"height": image_size, "width": image_size}}
            self.interpolate = {"interpolate_pos_encoding": True}
        self.context = self.model.config.text_config.max_position_embeddings

    def ids(self, text, truncate=True):
        return self.tokenizer(text, padding="max_length", truncation=truncate,
                              max_length=self.context)["input_ids"]

    @torch.inference_mode()
    def encode_texts(self, ids):
        return self.model.get_text_features(
            input_ids=torch.tensor(ids)).pooler_output.numpy()

    @torch.inference_mode()
    def forward(self, pixels, ids):
        out = self.model(input_ids=torch.tensor(ids),
                         pixel_values=torch.from_numpy(pixels),
                         **self.interpolate)
        return out.logits_per_image.numpy(), out.logits_per_text.numpy()

    def pooled_rows(self, ids):
        return [self.context - 1] * len(ids)

    @torch.inference_mode()
    def logits(self, image_raw, text_raw):
        image = torch.from_numpy(image_raw)
        text = torch.from_numpy(text_raw)
        image = image / image.norm(p=2, dim=-1, keepdim=True)
        text = text / text.norm(p=2, dim=-1, keepdim=True)
        logits = torch.matmul(text, image.t()) * self.model.logit_scale.exp() \
            + self.model.logit_bias
        return logits.t().numpy()

    def probabilities(self, logits):
        return torch.from_numpy(logits).sigmoid().numpy()

    @torch.inference_mode()
    def trace_images(self, pixels):
        vision = self.model.vision_model
        with Hooks() as seen:
            seen.hook("vision_embeddings", vision.embeddings)
            seen.layers("vision_layer", vision.encoder.layers)
            seen.hook("vision_pooled", vision.head.attention)
            seen.hook("vision_projection", vision.head)
            self.model.get_image_features(
                pixel_values=torch.from_numpy(pixels), **self.interpolate)
        return {k: flat(v) for k, v in seen.out.items()}

    @torch.inference_mode()
    def trace_texts(self, ids):
        text = self.model.text_model
        with Hooks() as seen:
            seen.hook("text_embeddings", text.embeddings)
            seen.layers("text_layer", text.encoder.layers)
            seen.hook("text_pooled", text.final_layer_norm)
            seen.hook("text_projection", text.head)
            self.model.get_text_features(input_ids=torch.tensor(ids))
        last = f"text_layer_{len(text.encoder.layers) - 1:02d}"
        for name in (last, "text_pooled"):
            seen.out[name] = seen.out[name][:, -1]
        return {k: flat(v) for k, v in seen.out.items()}

    def script(self, path, labels):
        raise NotImplementedError("the replaced script knows CLIP alone")


def attention_of_head(ref, pixels):
    """Largest weight that the head gives a row, times the number of rows."""
    head = ref.model.vision_model.head
    seen = {}

    def keep(_module, inputs):
        seen["rows"] = inputs[0]
    handle = head.register_forward_pre_hook(keep)
    with torch.inference_mode():
        ref.model.get_image_features(pixel_values=torch.from_numpy(pixels))
        rows = seen["rows"]
        probe = head.probe.repeat(len(rows), 1, 1)
        _, weights = head.attention(probe, rows, rows, need_weights=True,
                                    average_attn_weights=False)
    handle.remove()
    return float(weights.max(-1).values.mean()) * weights.shape[-1]


def check_is_a_test(ref, expected, table, name):
    """The random model tells pictures and texts apart, and its head does not
    average."""
    def nearest(raw):
        unit = raw / np.linalg.norm(raw, axis=1, keepdims=True)
        return float((unit @ unit.T - 2 * np.eye(len(unit))).max())
    table.check(name, "nearest pictures", "cosine", nearest(
        expected.image_raw), 0.99)
    table.check(name, "nearest texts", "cosine", nearest(expected.text_raw),
                0.999)
    peak = attention_of_head(ref, expected.pixels)
    table.check(name, "peak of the head", "short of 2 by", max(0, 2 - peak),
                0, f"{peak:.1f} times uniform")
