# SPDX-License-Identifier: MIT
"""Train the demo CLIP on drawn cars and save it in Hugging Face layout.

    python train.py [--out DIR] [--pictures N] [--steps N] [--seconds N]

1. Learn a byte-pair vocabulary from captions and car words (bpe.py).
2. Draw the training pictures (draw.py) in worker processes, pass them through
   CLIP's preprocessing (shortest edge 56, bicubic, centre crop) and keep them
   as uint8 in a cache file.
3. Train a small CLIPModel: symmetric contrastive loss, in which every caption
   of the same label is a match (soft targets); Muon and AdamW, warm-up, cosine
   decay.
4. Save F16 weights; while training, a checkpoint every --every seconds.

The schedule ends after --steps, or earlier when --seconds have passed (a slow
machine then makes fewer steps, and the learning rate still reaches zero).
"""
import argparse
import math
import os
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

import bpe
import captions
import draw

HERE = Path(__file__).resolve().parent
SIZE = 56
CONTEXT = 32
N_MERGES = 1534                      # with 512 bytes and 2 specials: 2048
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


def picture_of(seed, index):
    """Training picture `index`: what it shows and the image."""
    rng = random.Random(f"{seed}/{index}")
    picture = draw.random_picture(rng, index)
    return picture, draw.draw_picture(rng, picture)


def crop_to_model(image):
    """CLIP's resize and centre crop, uint8 [SIZE, SIZE, 3]."""
    short = min(image.size)
    w, h = (int(SIZE * side / short) for side in image.size)
    image = image.resize((w, h), Image.Resampling.BICUBIC)
    left, top = (w - SIZE) // 2, (h - SIZE) // 2
    return np.asarray(image.crop((left, top, left + SIZE, top + SIZE)))


def draw_one(job):
    picture, image = picture_of(*job)
    return picture, crop_to_model(image)


def draw_all(seed, count, cache):
    """Pictures and pixels [count, SIZE, SIZE, 3], kept in the cache folder."""
    path = Path(cache) / f"demo-{seed}-{count}.npy"
    if path.exists():
        pictures = []
        for i in range(count):
            rng = random.Random(f"{seed}/{i}")
            pictures.append(draw.random_picture(rng, i))
        return pictures, np.load(path)
    pictures, pixels = [], np.empty((count, SIZE, SIZE, 3), np.uint8)
    with Pool(os.cpu_count()) as pool:
        jobs = ((seed, i) for i in range(count))
        for i, (picture, image) in enumerate(pool.imap(draw_one, jobs, 64)):
            pictures.append(picture)
            pixels[i] = image
            if (i + 1) % 10000 == 0:
                print(f"drawn {i + 1}", flush=True)
    np.save(path, pixels)
    return pictures, pixels


def make_tokenizer(seed):
    """Vocabulary from captions, car words and the label lists."""
    rng = random.Random(f"{seed}/captions")
    texts = [(captions.caption(rng, draw.random_picture(rng)), 1)
             for _ in range(5000)]
    texts += [(label, 20) for label in draw.LABELS]
    texts.append(((HERE / "car_words.txt").read_text(), 12))
    for name in ("car-labels.txt", "car-templates.txt"):
        texts.append(((HERE.parent / "labels" / name).read_text(), 3))
    vocabulary, merges = bpe.learn(texts, N_MERGES)
    return bpe.clip_tokenizer(vocabulary, merges, CONTEXT)


def make_model(vocab_size):
    start, end = vocab_size - 2, vocab_size - 1
    common = {"hidden_act": "quick_gelu", "layer_norm_eps": 1e-5,
              "attention_dropout": 0.0, "projection_dim": 128}
    model = CLIPModel(CLIPConfig(
        vision_config={
            "hidden_size": 192, "intermediate_size": 768,
            "num_hidden_layers": 4, "num_attention_heads": 3,
            "image_size": SIZE, "patch_size": 8, **common},
        text_config={
            "hidden_size": 128, "intermediate_size": 512,
            "num_hidden_layers": 3, "num_attention_heads": 2,
            "vocab_size": vocab_size, "max_position_embeddings": CONTEXT,
            "bos_token_id": start, "eos_token_id": end, "pad_token_id": end,
            **common},
        projection_dim=128,
        # What clipc-classify takes for this model without --labels.
        clipc={"labels": "demo"}))
    with torch.no_grad():
        embeddings = model.vision_model.embeddings
        embeddings.position_embedding.weight[1:] = sine_grid(
            embeddings.config.image_size // embeddings.config.patch_size,
            embeddings.config.hidden_size)
    return model


def sine_grid(side, width):
    """[side * side, width]: sines and cosines of a patch's row and column.

    With transformers' own start, N(0, 0.02), patches hardly know where they
    are and shapes are learned several times slower.
    """
    step = torch.arange(side, dtype=torch.float32) / side
    rate = math.pi * 2 ** torch.linspace(-1, 3, width // 4)
    waves = step[:, None] * rate
    waves = torch.cat([waves.sin(), waves.cos()], 1)
    rows = waves[:, None].expand(side, side, -1)
    columns = waves[None].expand(side, side, -1)
    return .3 * torch.cat([rows, columns], 2).flatten(0, 1)


def save(model, tokenizer, out):
    """Hugging Face layout: config, weights (F16), tokenizer, preprocessor."""
    half = CLIPModel(model.config)
    half.load_state_dict(model.state_dict())
    half.half().save_pretrained(out)
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.save_pretrained(out)
    CLIPImageProcessor(
        do_resize=True, size={"shortest_edge": SIZE}, resample=3,
        do_center_crop=True, crop_size={"height": SIZE, "width": SIZE},
        do_rescale=True, rescale_factor=1 / 255, do_normalize=True,
        image_mean=list(MEAN), image_std=list(STD),
        do_convert_rgb=True).save_pretrained(out)
    for path in Path(out).glob("*.safetensors"):
        path.chmod(0o644)


def batch_pixels(pixels, indices, rng):
    """Float pixels of a batch, mirrored and shifted by up to 2 pixels."""
    batch = torch.from_numpy(pixels[indices]).permute(0, 3, 1, 2).float()
    mirror = torch.from_numpy(rng.random(len(indices)) < .5)
    batch = torch.where(mirror[:, None, None, None], batch.flip(3), batch)
    padded = F.pad(batch, (2, 2, 2, 2), mode="replicate")
    corners = rng.integers(0, 5, (len(indices), 2))
    batch = torch.stack([p[:, y:y + SIZE, x:x + SIZE]
                         for p, (y, x) in zip(padded, corners)])
    mean = torch.tensor(MEAN).view(3, 1, 1)
    std = torch.tensor(STD).view(3, 1, 1)
    return (batch / 255 - mean) / std


def soft_cross_entropy(logits, same):
    """Rows against every match of the row, each with an equal share."""
    target = same / same.sum(1, keepdim=True)
    return -(target * logits.log_softmax(1)).sum(1).mean()


class Halves:
    """Forward and backward of a batch in equal parts, one thread each.

    Each thread runs torch on one core: on a machine that is busy with other
    work this is several times faster than one thread team that waits at every
    operation.  The loss is that of the whole batch: the parts meet in their
    embeddings, and each then takes its rows of the gradient back.
    """

    def __init__(self, model, threads):
        self.model, self.threads = model, threads
        self.pool = ThreadPoolExecutor(threads)
        torch.set_num_threads(1)

    def forward(self, part):
        ids, mask, pixels = part
        torch.set_num_threads(1)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out = self.model(input_ids=ids, attention_mask=mask,
                             pixel_values=pixels)
        return out.image_embeds.float(), out.text_embeds.float()

    def encode(self, ids, mask, pixels):
        """Unit image and text vectors of the batch, as leaves."""
        parts = zip(*(t.chunk(self.threads) for t in (ids, mask, pixels)))
        self.parts = list(self.pool.map(self.forward, parts))
        return [torch.cat([e.detach() for e in side]).requires_grad_()
                for side in zip(*self.parts)]

    def backward(self, images, texts):
        """Carry the gradients of the two leaves into the model."""
        grads = zip(images.grad.chunk(self.threads),
                    texts.grad.chunk(self.threads))
        list(self.pool.map(torch.autograd.backward, self.parts, grads))


def make_optimizers(model):
    """Muon for the matrices of the blocks, AdamW for all else."""
    blocks, others, plain = [], [], []
    for name, p in model.named_parameters():
        (plain if p.ndim < 2 else blocks if ".layers." in name
         else others).append(p)
    muon = torch.optim.Muon(blocks, weight_decay=.05, momentum=.95,
                            adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW(
        [{"params": others, "weight_decay": .05},
         {"params": plain, "weight_decay": 0.}], betas=(.9, .98))
    return (muon, 2.), (adamw, 1.)


def learning_rate(progress, step, peak, warmup):
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * .5 * (1 + math.cos(math.pi * min(1., progress)))


def train(args):
    torch.manual_seed(args.seed)
    Path(args.out).mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer(args.seed)
    print(f"vocabulary {len(tokenizer)}", flush=True)
    start = time.monotonic()
    pictures, pixels = draw_all(f"train-{args.seed}", args.pictures,
                                args.cache)
    print(f"{len(pictures)} pictures, {time.monotonic() - start:.0f} s",
          flush=True)
    labels = np.array([draw.LABELS.index(p.label) for p in pictures])

    model = make_model(len(tokenizer))
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    optimizers = make_optimizers(model)
    rng = np.random.default_rng(args.seed)
    words = random.Random(f"{args.seed}/words")

    start = saved = time.monotonic()
    order, step, progress, mean_loss = [], 0, 0., 0.
    model.train()
    halves = Halves(model, args.threads)
    while progress < 1:
        if len(order) < args.batch:
            order = list(rng.permutation(len(pictures)))
        chosen = np.array([order.pop() for _ in range(args.batch)])
        texts = tokenizer([captions.caption(words, pictures[i])
                           for i in chosen], padding=True, truncation=True,
                          max_length=CONTEXT, return_tensors="pt")
        image_vectors, text_vectors = halves.encode(
            texts.input_ids, texts.attention_mask,
            batch_pixels(pixels, chosen, rng))
        logits = model.logit_scale.exp() * image_vectors @ text_vectors.T
        same = torch.from_numpy(labels[chosen])
        same = (same[:, None] == same[None, :]).float()
        loss = (soft_cross_entropy(logits, same)
                + soft_cross_entropy(logits.T, same)) / 2
        rate = learning_rate(progress, step, args.rate, 100)
        for optimizer, factor in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * factor
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        halves.backward(image_vectors, text_vectors)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.)
        for optimizer, _ in optimizers:
            optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))

        step += 1
        now = time.monotonic()
        progress = max(step / args.steps, (now - start) / args.seconds)
        best = same / same.sum(1, keepdim=True)
        floor = -(best * best.clamp_min(1e-9).log()).sum(1).mean()
        mean_loss += (loss.item() - floor.item() - mean_loss) \
            * max(.02, 1 / step)
        if step % 50 == 0 or progress >= 1:
            hit = same[torch.arange(len(chosen)), logits.argmax(1)].mean()
            print(f"step {step} {now - start:.0f} s loss above floor "
                  f"{mean_loss:.4f} batch top-1 {hit:.3f} scale "
                  f"{model.logit_scale.exp().item():.1f}", flush=True)
        if now - saved > args.every or progress >= 1:
            save(model, tokenizer, args.out)
            saved = time.monotonic()
    print(f"trained {step} steps of {args.batch} in {now - start:.0f} s, "
          f"torch {torch.__version__}, transformers "
          f"{transformers.__version__}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", default=str(HERE))
    parser.add_argument("--cache", default="/tmp")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pictures", type=int, default=32000)
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--seconds", type=float, default=2100)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--every", type=float, default=300)
    train(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
