"""Make the README's first picture anew: two photos of examples/, and what `selfie2anime` makes of them.

    python docs/images/make.py

No result is chosen: the photos are always the same, and whatever the packaged model draws is shown.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from PIL import Image

from henshin.cli import run_pipeline

HERE = Path(__file__).resolve().parent
PHOTOS = [HERE.parents[1] / "examples" / name for name in ("astronaut.jpg", "group.jpg")]
HEIGHT, GAP = 400, 6


def shown(path: Path) -> Image.Image:
    """Return a picture at the height of a row."""
    with Image.open(path) as picture:
        return picture.convert("RGB").resize((round(picture.width * HEIGHT / picture.height), HEIGHT))


def main() -> None:
    """Draw, and write before-after.jpg: photos above, drawings below."""
    with tempfile.TemporaryDirectory() as folder:
        words = [word for photo in PHOTOS for word in ("-i", str(photo))]
        code = run_pipeline(["selfie2anime", *words, "-o", folder, "--format", "png"])
        if code:
            raise SystemExit(code)
        rows = [list(map(shown, PHOTOS)), [shown(Path(folder) / f"{photo.stem}.png") for photo in PHOTOS]]
    page = Image.new("RGB", (sum(one.width for one in rows[0]) + GAP, 2 * HEIGHT + GAP), "white")
    for number, row in enumerate(rows):
        page.paste(row[0], (0, number * (HEIGHT + GAP)))
        page.paste(row[1], (row[0].width + GAP, number * (HEIGHT + GAP)))
    page.save(HERE / "before-after.jpg", quality=90)


if __name__ == "__main__":
    main()
