"""Make the pictures of this folder from scikit-image's package data: `python examples/make.py` (wants Pillow too)."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageOps
from skimage import data

HERE = Path(__file__).parent
HEAD_AND_SHOULDERS = (84, 4, 354, 334)
# Each print of the group: height in pixels, turn in degrees, mirrored, in gray, centre on the table.
PRINTS = [
    (400, -5, False, False, (240, 290)),
    (270, 9, True, False, (560, 210)),
    (190, -12, False, True, (790, 340)),
    (130, 3, True, False, (545, 475)),
]


def main() -> None:
    """Write astronaut.jpg, group.jpg and coffee.jpg."""
    astronaut = Image.fromarray(data.astronaut())  # type: ignore[no-untyped-call]
    astronaut.save(HERE / "astronaut.jpg", quality=92, optimize=True)
    coffee = Image.fromarray(data.coffee())  # type: ignore[no-untyped-call]
    coffee.save(HERE / "coffee.jpg", quality=88, optimize=True)
    group(astronaut.crop(HEAD_AND_SHOULDERS)).save(HERE / "group.jpg", quality=90, optimize=True)


def group(portrait: Image.Image) -> Image.Image:
    """Lay prints of one portrait on a table: several sizes, turns, one mirrored, one in gray."""
    table = Image.new("RGB", (920, 580), (176, 160, 138))
    for height, turn, mirrored, gray, (x, y) in PRINTS:
        width = round(portrait.width * height / portrait.height)
        photo = portrait.resize((width, height), Image.Resampling.LANCZOS)
        photo = ImageOps.mirror(photo) if mirrored else photo
        photo = photo.convert("L").convert("RGB") if gray else photo
        photo = ImageOps.expand(photo, max(6, height // 25), (250, 250, 247))
        # Three times as large while it is turned, for smooth borders.
        large = photo.convert("RGBA").resize((photo.width * 3, photo.height * 3), Image.Resampling.BICUBIC)
        large = large.rotate(turn, Image.Resampling.BICUBIC, expand=True)
        turned = large.resize((large.width // 3, large.height // 3), Image.Resampling.LANCZOS)
        table.paste(turned, (x - turned.width // 2, y - turned.height // 2), turned)
    return table


if __name__ == "__main__":
    main()
