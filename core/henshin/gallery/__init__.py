"""The gallery: one folder with a page that shows what a run did, made from its record and never by running again.

- ``Gallery(output, options)`` reads the record of an output folder; ``make(finish) -> MadeGallery`` writes the gallery.
- ``GalleryOptions``: where it goes, how large its pictures are, and whether the files themselves are copied into it.

The modules inside, from the bottom up: ``entries`` (the record), ``file_state`` (is a file still what the record
says?), ``pictures`` (small copies), ``overview`` (what the page says of the run), ``plain`` (the pictures without
JavaScript), ``page`` (the page; its parts are in ``templates``), ``sheet`` (the contact sheet), ``make`` (together).
"""

from __future__ import annotations

from henshin.gallery.make import Gallery, GalleryOptions, MadeGallery, default_place

__all__ = ["Gallery", "GalleryOptions", "MadeGallery", "default_place"]
