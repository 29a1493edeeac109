# SPDX-License-Identifier: MIT
"""What transformers computes: float32 on the CPU, without torchvision.

Reference(folder) loads a checkpoint as the replaced Python script does and
answers stage by stage. Activations come from forward hooks on transformers'
own modules, so nothing of the network is written twice.
"""

import importlib.util
import os
import platform
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import numpy as np  # noqa: E402
import PIL.features  # noqa: E402
import PIL.Image  # noqa: E402
import tokenizers  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

transformers.utils.logging.disable_progress_bar()

WANTED = {"torch": "2.13.0", "transformers": "5.24.", "tokenizers": "0.23.",
          "pillow": "13.0."}


def versions():
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "tokenizers": tokenizers.__version__,
        "pillow": PIL.__version__,
        "libjpeg-turbo": PIL.features.version("libjpeg_turbo"),
        "numpy": np.__version__,
    }


def assert_reference():
    """The packages are those of requirements.txt."""
    have = versions()
    for name, wanted in WANTED.items():
        if not have[name].startswith(wanted):
            raise SystemExit(f"parity: {name} is {have[name]}, the reference "
                             f"needs {wanted}*")
    if importlib.util.find_spec("torchvision"):
        raise SystemExit("parity: torchvision is installed; transformers then "
                         "resizes differently. Use an environment without it")


class Reference:
    def __init__(self, folder, attention=None, image_size=None):
        assert_reference()
        from transformers import AutoTokenizer, CLIPModel
        from transformers import CLIPImageProcessorPil, CLIPProcessor
        kwargs = {"attn_implementation": attention} if attention else {}
        self.model = CLIPModel.from_pretrained(folder, dtype=torch.float32,
                                               **kwargs).eval()
        for name, p in self.model.named_parameters():
            assert p.dtype == torch.float32 and p.device.type == "cpu", name
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.image_processor = CLIPImageProcessorPil.from_pretrained(folder)
        self.processor = CLIPProcessor(self.image_processor, self.tokenizer)
        assert type(self.processor.image_processor) is CLIPImageProcessorPil
        # Another image size than the model's: what a call then says.
        self.sizes, self.interpolate = {}, {}
        if image_size:
            self.sizes = {"size": {"shortest_edge": image_size},
                          "crop_size": {"height": image_size,
                                        "width": image_size}}
            self.interpolate = {"interpolate_pos_encoding": True}
        self.context = self.model.config.text_config.max_position_embeddings

    # ---- inputs

    def ids(self, text, truncate=False):
        if truncate:
            return self.tokenizer(text, truncation=True,
                                  max_length=self.context)["input_ids"]
        return self.tokenizer(text)["input_ids"]

    @staticmethod
    def image(path):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return PIL.Image.open(path).convert("RGB")

    def pixels(self, path):
        """float32 [3, S, S], as the script's processor makes them."""
        out = self.image_processor(images=self.image(path),
                                   return_tensors="np",
                                   **self.sizes)["pixel_values"]
        assert out.dtype == np.float32
        return out[0]

    # ---- outputs

    @torch.inference_mode()
    def encode_images(self, pixels, batch=8):
        """Raw projections [n, E]."""
        out = [self.model.get_image_features(
            pixel_values=torch.from_numpy(pixels[i:i + batch]),
            **self.interpolate).pooler_output
            for i in range(0, len(pixels), batch)]
        return torch.cat(out).numpy()

    def pad(self, ids):
        """What processor(text=..., padding=True) hands to the model."""
        out = self.tokenizer.pad({"input_ids": ids}, return_tensors="pt")
        return out["input_ids"], out["attention_mask"]

    @torch.inference_mode()
    def encode_texts(self, ids):
        """Raw projections [n, E], one padded batch as in the script."""
        padded, mask = self.pad(ids)
        return self.model.get_text_features(
            input_ids=padded, attention_mask=mask).pooler_output.numpy()

    def pooled_rows(self, ids):
        """Row whose output is the text's embedding, as CLIPTextModel finds
        it."""
        eos = self.model.config.text_config.eos_token_id
        rows = []
        for row in ids:
            row = np.array(row, np.int32)
            hit = row == (row.max() if eos == 2 else eos)
            rows.append(int(hit.argmax()))
        return rows

    @torch.inference_mode()
    def logits(self, image_raw, text_raw):
        """logits_per_image from raw projections, with CLIPModel's own
        operations."""
        from transformers.models.clip.modeling_clip import _get_vector_norm
        image = torch.from_numpy(image_raw)
        text = torch.from_numpy(text_raw)
        image = image / _get_vector_norm(image)
        text = text / _get_vector_norm(text)
        scale = self.model.logit_scale.exp()
        return (torch.matmul(text, image.t()) * scale).t().numpy()

    @torch.inference_mode()
    def forward(self, pixels, ids):
        """(logits_per_image, logits_per_text) of one call of CLIPModel."""
        padded, mask = self.pad(ids)
        out = self.model(input_ids=padded, attention_mask=mask,
                         pixel_values=torch.from_numpy(pixels),
                         **self.interpolate)
        return out.logits_per_image.numpy(), out.logits_per_text.numpy()

    def probabilities(self, logits):
        return torch.from_numpy(logits).softmax(dim=1).numpy()

    @torch.inference_mode()
    def trace_images(self, pixels):
        """Stage -> [rows, width], rows of all pictures one after another.
        The last layer: only the CLS rows."""
        vision = self.model.vision_model
        with Hooks() as seen:
            seen.hook("vision_embeddings", vision.pre_layrnorm)
            seen.layers("vision_layer", vision.encoder.layers)
            seen.hook("vision_pooled", vision.post_layernorm)
            seen.hook("vision_projection", self.model.visual_projection)
            self.model.get_image_features(
                pixel_values=torch.from_numpy(pixels), **self.interpolate)
        last = f"vision_layer_{len(vision.encoder.layers) - 1:02d}"
        seen.out[last] = seen.out[last][:, :1]
        return {k: flat(v) for k, v in seen.out.items()}

    @torch.inference_mode()
    def trace_texts(self, ids):
        """The same for texts: rows up to and including the pooled one; the
        last layer, pooled and projection: only the pooled rows."""
        text = self.model.text_model
        padded, mask = self.pad(ids)
        with Hooks() as seen:
            seen.hook("text_embeddings", text.embeddings)
            seen.layers("text_layer", text.encoder.layers)
            seen.hook("text_pooled", text.final_layer_norm)
            seen.hook("text_projection", self.model.text_projection)
            self.model.get_text_features(input_ids=padded,
                                         attention_mask=mask)
        rows = self.pooled_rows(ids)
        last = f"text_layer_{len(text.encoder.layers) - 1:02d}"
        out = {}
        for name, data in seen.out.items():
            if name == "text_projection":
                out[name] = data
            elif name in (last, "text_pooled"):
                out[name] = np.stack([data[i, r] for i, r in enumerate(rows)])
            else:
                out[name] = np.concatenate(
                    [data[i, :r + 1] for i, r in enumerate(rows)])
        return out

    # ---- the script

    @torch.inference_mode()
    def script(self, path, labels):
        """The Python script that clipc-classify replaces, word for word in
        what it prints."""
        image = self.image(path)
        inputs = self.processor(text=labels, images=image,
                                return_tensors="pt", padding=True)
        probs = self.model(**inputs).logits_per_image.softmax(dim=1)
        return script_text(probs[0].numpy(), labels)


def script_text(probs, labels):
    """The script's output for one picture's probabilities."""
    probs = torch.from_numpy(np.asarray(probs))
    best = probs.argmax().item()
    lines = [f"Predicted car: {labels[best]}",
             f"Confidence score: {probs[best].item():.4f}"]
    values, indices = probs.topk(min(5, len(labels)))
    for i, (p, index) in enumerate(zip(values, indices), 1):
        lines.append(f"{i}. {labels[index.item()]} ({p.item():.2f})")
    return "\n".join(lines) + "\n"


class Hooks:
    def __enter__(self):
        self.out, self.handles = {}, []
        return self

    def __exit__(self, *_):
        for handle in self.handles:
            handle.remove()

    def hook(self, name, module):
        def keep(_module, _inputs, output):
            if isinstance(output, tuple):
                output = output[0]
            self.out[name] = output.detach().numpy().copy()
        self.handles.append(module.register_forward_hook(keep))

    def layers(self, name, modules):
        for i, module in enumerate(modules):
            self.hook(f"{name}_{i:02d}", module)


def flat(array):
    return array.reshape(-1, array.shape[-1])
