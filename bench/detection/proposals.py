"""Train the net that proposes faces, plugins/henshin_plugins/face/nets/proposals.onnx. See README.md in bench/.

    python bench/detection/proposals.py --faces FOLDER... --photos FOLDER... --reference FILE.json -o proposals.onnx

It learns where faces of 8 to 16 pixels are; larger ones are searched for in reduced copies. Samples are made anew all
the time: faces at random places, sizes, angles and in random light, some cut out and pasted, some in the photos that
they come from. It needs the extra `train`.
"""

from __future__ import annotations

import argparse
import copy
import io
import math
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

sys.path.append(str(Path(__file__).resolve().parents[1]))  # the folder of the package `detection`

import torch
from torch import nn
from torch.nn import functional as F

from detection.scenes import Scene, paste
from detection.sources import References, Source, files, pixels

SIDE, STRIDE = 128, 4
WANTED, IGNORED = (7.6, 17.0), (6.0, 21.0)
"""Sides of faces that are to be found, and, beyond those, that may be."""
NEAR, AROUND = 0.22, 0.5
"""Distance from a face's middle, in its sides, to which cells are positive, and to which they do not count."""
AGAIN, POOL = 5, 8000
"""How often samples are drawn again for each new one, and among how many."""
POSITIVE = 4.0
"""Weight of positive cells."""


class Proposals(nn.Module):
    """Pictures (N, 3, H, W), -1 to 1, to (N, 4, H/4, W/4): logit, x and y of the middle from the cell's, log side."""

    def __init__(self) -> None:
        super().__init__()
        widths = (32, 32, 32, 32, 48, 48)
        blocks: list[nn.Module] = []
        for before, after in pairwise(widths):
            blocks += [nn.Conv2d(before, before, 3, padding=1, groups=before, bias=False), nn.BatchNorm2d(before)]
            blocks += [nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        self.body = nn.Sequential(
            *(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()),
            *(nn.Conv2d(16, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU()),
            *blocks,
            nn.Conv2d(widths[-1], 4, 1),
        )

    def forward(self, x: Any) -> Any:
        """Return the maps."""
        return self.body(x)


class Exported(nn.Module):
    """The same for uint8 (N, H, W, 3); the scale of the values is in the weights of its first convolution."""

    def __init__(self, network: Proposals) -> None:
        super().__init__()
        self.body = copy.deepcopy(network.body)
        self.body[0].weight.data /= 127.5

    def forward(self, pictures: Any) -> Any:
        """Return the maps."""
        return self.body(pictures.float().permute(0, 3, 1, 2) - 127.5)


class Samples:
    """Squares of SIDE pixels with their faces, made of sources and photos that stay in memory."""

    def __init__(self, sources: Sequence[Source], photos: Sequence[Path]) -> None:
        self.sources = sources
        self.faces = {source.path: pixels(source.path) for source in sources}
        self.photos = [pixels(path) for path in photos]

    def one(self, rng: np.random.Generator) -> tuple[Any, Any]:
        """Return (SIDE, SIDE, 3) uint8 and boxes (N, 4): made at twice or 1.4 times the size, then reduced."""
        factor = float(rng.choice([1.0, 1.41, 2.0, 2.0]))
        side = round(SIDE * factor)
        scene = Scene("", self._background(side, rng))
        for _ in range(rng.integers(0, 10)):
            length = self._length(rng) * factor
            centre = rng.uniform(-0.1 * length, side + 0.1 * length, 2)
            source = self.sources[rng.integers(len(self.sources))]
            if any(np.abs(centre - middle(box)).max() < 0.7 * (length + box[2] - box[0]) for box in scene.boxes):
                continue
            if rng.random() < 0.5:
                degrees = float(rng.choice([1, 1, 2, 3])) * float(rng.normal(0, 14))
                paste(scene, source, self.faces[source.path], centre, length, degrees)
            else:
                _whole(scene, source, self.faces[source.path], centre, length)
        picture = _shot(scene.picture, rng)
        if factor > 1:
            way = Image.Resampling.BOX if factor == 2 else Image.Resampling.BILINEAR
            picture = np.asarray(Image.fromarray(picture).resize((SIDE, SIDE), way))
        boxes = np.array(scene.boxes).reshape(-1, 4) / factor
        if rng.random() < 0.5:
            picture = picture[:, ::-1]
            boxes = np.column_stack([SIDE - boxes[:, 2], boxes[:, 1], SIDE - boxes[:, 0], boxes[:, 3]])
        return picture, boxes

    def _length(self, rng: np.random.Generator) -> float:
        return float(np.exp(rng.uniform(*np.log((6.0, 21.0) if rng.random() < 0.9 else (21.0, 70.0)))))

    def _background(self, side: int, rng: np.random.Generator) -> Any:
        if rng.random() < 0.03:
            return np.full((side, side, 3), rng.integers(0, 256, 3), np.uint8)
        photo = self.photos[rng.integers(len(self.photos))]
        least = min(photo.shape[:2])
        part = float(np.exp(rng.uniform(np.log(min(96, least)), np.log(least))))
        low = rng.uniform(0, np.array(photo.shape[1::-1]) - part)
        way = Image.Resampling.BICUBIC
        return np.asarray(Image.fromarray(photo).resize((side, side), way, box=(*low, *(low + part))))


def middle(box: Any) -> Any:
    """Return (2,) the middle of a box."""
    return (box[:2] + box[2:]) / 2


def _whole(scene: Scene, source: Source, picture: Any, centre: Any, length: float) -> None:
    """Put the source's whole photo where its face has this middle and length; other faces there are covered."""
    image = Image.fromarray(picture)
    scale = length / source.side
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    low = np.round(centre - middle(source.box) * scale).astype(int)
    if any((np.minimum(box[2:], low + size) > np.maximum(box[:2], low)).all() for box in scene.boxes):
        return
    canvas = Image.fromarray(scene.picture)
    canvas.paste(image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0), tuple(low.tolist()))
    scene.picture = np.asarray(canvas)
    factor = np.tile(np.array(size) / image.size, 2)
    scene.boxes.append(source.box * factor + np.tile(low, 2))
    scene.landmarks.append(None)


def _shot(picture: Any, rng: np.random.Generator) -> Any:
    """Return the picture in other light, blurred, grey, noisy, or as a poor JPEG, each at times."""
    if rng.random() < 0.6:
        low, high = rng.uniform(0, 0.35), rng.uniform(0.6, 1.0)
        tint = rng.uniform(0.85, 1.15, 3) if rng.random() < 0.5 else np.ones(3)
        table = low + (high - low) * (np.arange(256) / 255) ** rng.uniform(0.6, 1.7)
        picture = np.stack(
            [(255 * table * t).clip(0, 255).astype(np.uint8)[picture[..., c]] for c, t in enumerate(tint)], -1
        )
    if rng.random() < 0.15:
        picture = np.repeat(np.asarray(Image.fromarray(picture).convert("L"))[..., None], 3, -1)
    image = Image.fromarray(picture)
    if rng.random() < 0.2:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.6))))
    if rng.random() < 0.2:
        noisy = np.asarray(image) + rng.normal(0, rng.uniform(2, 14), picture.shape)
        image = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
    if rng.random() < 0.4:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=int(rng.integers(30, 96)))
        image = Image.open(file)
    return np.asarray(image)


def target(boxes: Any) -> Any:
    """Return (5, SIDE/4, SIDE/4): 1 face, 0 none, -1 does not count; weight of the box; its middle and log side."""
    number = SIDE // STRIDE
    result = np.zeros((5, number, number), np.float32)
    cells = (np.arange(number) + 0.5) * STRIDE
    for box in boxes:
        side, (x, y) = float((box[2:] - box[:2]).max()), middle(box)
        if not IGNORED[0] < side < IGNORED[1]:
            continue
        far = np.hypot(cells[None] - x, cells[:, None] - y)
        ring = (far < max(AROUND * side, 1.2 * STRIDE)) & (result[0] == 0)
        result[0][ring] = -1
        if WANTED[0] <= side <= WANTED[1]:
            near = far < max(NEAR * side, 0.71 * STRIDE)
            result[0][near] = 1
            values = (1.0, (x - cells[None]) / STRIDE, (y - cells[:, None]) / STRIDE, math.log(side / STRIDE))
            for plane, value in zip(result[1:], values, strict=True):
                plane[near] = np.broadcast_to(value, far.shape)[near]
    return result


class Stream(torch.utils.data.IterableDataset[Any]):
    """Samples without end: each is drawn a few times, among many others."""

    def __init__(self, samples: Samples, seed: int) -> None:
        super().__init__()
        self.samples, self.seed = samples, seed

    def __iter__(self) -> Iterator[Any]:
        worker = torch.utils.data.get_worker_info()
        rng = np.random.default_rng([self.seed, worker.id if worker else 0])
        pool: list[Any] = []
        while True:
            picture, boxes = self.samples.one(rng)
            made = torch.from_numpy(np.array(picture)), torch.from_numpy(target(boxes))
            pool.append(made)
            if len(pool) > POOL:
                pool[rng.integers(len(pool) - 1)] = pool.pop()
            yield made
            for _ in range(AGAIN):
                yield pool[rng.integers(len(pool))]


def loss(maps: Any, wanted: Any) -> Any:
    """Return the focal loss (Lin et al. 2017) of the faces, and the smooth L1 loss of their boxes."""
    label, counts = wanted[:, 0].clamp(min=0), wanted[:, 0] >= 0
    plain = F.binary_cross_entropy_with_logits(maps[:, 0], label, reduction="none")
    probability = torch.sigmoid(maps[:, 0].detach())
    hard = torch.where(label > 0, 1 - probability, probability) ** 1.5
    weight = torch.where(label > 0, POSITIVE, 1.0) * hard * counts
    number = wanted[:, 1].sum().clamp(min=1)
    box = F.smooth_l1_loss(maps[:, 1:], wanted[:, 2:], reduction="none").sum(1) * wanted[:, 1]
    return (plain * weight).sum() / number + 0.5 * box.sum() / number


def train(samples: Samples, seconds: float, batch: int, rate: float, seed: int, output: Path) -> Proposals:
    """Return the network after so many seconds, its rate falling to nothing. Now and then it is written as well."""
    torch.manual_seed(seed)
    network = Proposals().to(memory_format=torch.channels_last)
    loader = iter(torch.utils.data.DataLoader(Stream(samples, seed), batch, num_workers=1, prefetch_factor=4))
    optimiser = torch.optim.AdamW(network.parameters(), rate, weight_decay=1e-4)
    began, step, mean = time.monotonic(), 0, 0.0
    while (share := (time.monotonic() - began) / seconds) < 1:
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * share))
        pictures, wanted = next(loader)
        with torch.autocast("cpu", torch.bfloat16):
            maps = network((pictures.float() - 127.5).permute(0, 3, 1, 2) / 127.5)
        value = loss(maps.float(), wanted)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        mean = 0.98 * mean + 0.02 * value.item()
        step += 1
        if step % 100 == 0:
            print(f"{step} steps, {time.monotonic() - began:.0f} s, loss {mean / (1 - 0.98**step):.4f}", flush=True)
        if step % 500 == 0:
            export(network, output)
            network.train()
    return network.eval()


def export(network: Proposals, path: Path) -> None:
    """Write the network as ONNX; its normalisations become part of its convolutions."""
    example = torch.zeros(1, SIDE, SIDE, 3, dtype=torch.uint8)
    axes = {"pictures": {0: "N", 1: "H", 2: "W"}, "results": {0: "N", 2: "H4", 3: "W4"}}
    torch.onnx.export(
        Exported(network).eval(), (example,), str(path), input_names=["pictures"], output_names=["results"],
        dynamic_axes=axes, dynamo=False, opset_version=13,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, nargs="+", required=True, help="folders of photos with one face each")
    parser.add_argument("--photos", type=Path, nargs="+", required=True, help="folders of photos without faces")
    parser.add_argument("--yunet", help="YuNet's .onnx, or its name: it takes part in the reference")
    parser.add_argument("--reference", type=Path, default=Path("faces-reference.json"))
    parser.add_argument("--sources", type=int, default=1200, help="faces from each folder (default: %(default)s)")
    parser.add_argument(
        "--leave-out",
        type=int,
        default=200,
        help="first files of each folder of faces, for tests, as is every fifth photo",
    )
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--rate", type=float, default=4e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, default=Path("proposals.onnx"))
    options = parser.parse_args()
    references, rng = References(options.reference, options.yunet, careful=False), np.random.default_rng(options.seed)
    sources: list[Source] = []
    for folder in options.faces:
        sources += references.sources(files([folder])[options.leave_out :], options.sources, rng)
    photos = files(options.photos)
    photos = references.empty([path for number, path in enumerate(photos) if number % 5], 1000, rng)
    references.save()
    print(f"{len(sources)} faces, {len(photos)} photos", flush=True)
    torch.set_num_threads(1)
    network = train(
        Samples(sources, photos), 60 * options.minutes, options.batch, options.rate, options.seed, options.output
    )
    export(network, options.output)


if __name__ == "__main__":
    main()
