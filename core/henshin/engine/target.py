"""Where results go: a folder with a record, or one named file."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from henshin.errors import HenshinError
from henshin.places import exists, is_file, is_folder

if TYPE_CHECKING:
    from henshin.engine.inputs import Source
    from henshin.images import WriteOptions

DEFAULT_FOLDER = "henshin-out"


@dataclass(frozen=True)
class Target:
    """Where results go and how they are written.

    ``stem`` and ``suffix`` are set for ``-i a.jpg -o b.png``: ``folder`` is that of the file then, and no record is
    kept in it, for it is not a folder of results.
    """

    folder: Path
    write: WriteOptions
    stem: str | None = None
    suffix: str | None = None

    @property
    def record(self) -> Path | None:
        """The folder that holds the record, or None where none is kept."""
        return self.folder if self.stem is None else None

    @property
    def shown(self) -> str:
        """The output as a user knows it."""
        return str(self.folder if self.stem is None else self.folder / f"{self.stem}{self.suffix}")

    def format_for(self, own: str | None) -> str:
        """Return the format in which a picture of format ``own`` (None: of no file) is written."""
        from henshin import images

        return images.output_format(own, self.write.format)

    def suffix_for(self, fmt: str, original: str) -> str:
        """Return the suffix of an output in a format; ``original`` is that of its input."""
        from henshin import images

        return self.suffix or images.suffix_for(fmt, original)

    def expected_suffix(self, source: Source) -> str:
        """Return the suffix that the output of a file will have, as its first bytes tell."""
        from henshin import images

        return self.suffix_for(self.format_for(images.format_of(source.path)), source.suffix)


def resolve_target(
    output: Path | str | None, pipeline: str, inputs: Sequence[Path | str], write: WriteOptions
) -> Target:
    """Turn ``-o`` into a target: ``./henshin-out/PIPELINE`` without one. What ends with a slash is a folder.

    Errors: HenshinError when a picture is named for several inputs, when its suffix is of no format that can be
    written, of none at all or of another one than asked for, and when a file is in the way. MissingError for a format
    that this installation cannot write.
    """
    from henshin import images

    if write.format is not None:
        images.output_format(None, write.format)
    if output is None:
        return Target(Path(DEFAULT_FOLDER) / pipeline, write)
    slash = os.fspath(output).endswith(("/", os.sep))
    output = Path(output)
    if is_folder(output):
        return Target(output, write)
    if output.suffix.lower() in images.FORMATS and not slash:
        return _single(output, inputs, write)
    if exists(output):
        raise HenshinError(f"'{output}' is a file; -o wants a folder, or a picture's name for a single input")
    if output.suffix and not slash and len(inputs) == 1 and is_file(inputs[0]):
        known = ", ".join(images.WRITABLE.values())
        raise HenshinError(
            f"'{output}' ends in '{output.suffix}', which is no format of pictures: {known}; "
            f"if it is to be a folder, say -o '{output}/'"
        )
    return Target(output, write)


def _single(output: Path, inputs: Sequence[Path | str], write: WriteOptions) -> Target:
    from henshin import images

    if len(inputs) != 1 or not is_file(inputs[0]):
        raise HenshinError(f"'{output}' names one picture, and the input is not a single file; give a folder with -o")
    if exists(output) and output.samefile(inputs[0]):
        raise HenshinError(f"'{output}' is both input and output; give another name with -o")
    _refuse_locked(output.parent)
    try:
        fmt = images.output_format(None, output.suffix)
    except ValueError as error:
        raise HenshinError(f"'{output}': {error}") from None
    if write.format not in (None, fmt):
        raise HenshinError(f"'{output}' asks for {fmt} and --format for {write.format}; leave one of them out")
    return Target(output.parent, write.model_copy(update={"format": fmt}), output.stem, output.suffix)


def _refuse_locked(folder: Path) -> None:
    """Say before anything runs that nothing can be written to a folder, or that it cannot be made."""
    there = next((place for place in (folder, *folder.parents) if os.path.lexists(place)), Path())
    if is_folder(there) and os.access(there, os.W_OK | os.X_OK):
        return
    reason = os.strerror(errno.EACCES if is_folder(there) else errno.ENOTDIR)
    raise HenshinError(f"cannot write to the output folder '{folder}': {reason}")
