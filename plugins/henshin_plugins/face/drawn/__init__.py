"""Stages for drawn faces that become training data.

`match_proportions` brings eyes and chins to the lines on which photographed faces have them; `vary_faces` gives some
of them skin tones, glasses and beards that drawings seldom show.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from henshin.api.face_selection import none_left
from henshin.api.stage import Stage
from henshin.errors import PictureError
from henshin_plugins.face.drawn.config import MatchProportionsConfig, VaryFacesConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from henshin.api.context import Context
    from henshin.api.frame import Frame
    from henshin.images.picture import Picture


class MatchProportions(Stage[MatchProportionsConfig]):
    """Shift and stretch drawn faces so that their eyes and chins lie where `face_align` puts those of photos.

    Each crop is registered on the mean of 1,500 drawn faces by its luminance, then stretched from drawn proportions to
    human ones, and cut out of its picture again. Faces that match the mean too little (profiles, other objects) are
    dropped. Paper: Evangelidis and Psarakis, "Parametric image alignment using enhanced correlation coefficient
    maximization", PAMI 2008; the mean comes from congealing (Learned-Miller, PAMI 2006).
    """

    name = "match_proportions"
    Config = MatchProportionsConfig
    works_on = "frames"
    concurrent = True
    needs = frozenset({"crops"})
    ends = frozenset({"latents"})  # those of the crops before are not valid for the new ones

    def open(self, context: Context) -> None:  # noqa: ARG002
        """Read the mean face."""
        from henshin_plugins.face.drawn import registration

        self.matched, self.misfit = registration.matched, registration.Misfit
        self.mean = registration.MeanFace.read()

    def run(self, items: Sequence[Frame]) -> list[Frame]:
        """Return the frames with new crops, masks and matrices; frames without crops as they are."""
        return [self._one(frame) for frame in items]

    def _one(self, frame: Frame) -> Frame:
        if not any(face.crop is not None for face in frame.faces):
            return frame
        results = [
            self.matched(frame.picture, face, self.mean, self.config) for face in frame.faces if face.crop is not None
        ]
        faces = [result for result in results if not isinstance(result, self.misfit)]
        if faces:
            return replace(frame, faces=faces, latents={})
        best = next(result for result in results if isinstance(result, self.misfit))
        return none_left(replace(frame, faces=[]), self.config.without_faces, best.kind, best.reason)


class VaryFaces(Stage[VaryFacesConfig]):
    """Give a share of drawn faces other skin tones, glasses and beards.

    Drawings show mostly pale young women. A discriminator that sees no others takes dark skin, glasses and beards
    for faults, which the generator then removes. Tones are drawn from those of photographed people. For crops of
    `match_proportions` with its default stretch; a face without plain skin on its cheeks stays as it is. Grey drawings
    stay grey.
    """

    name = "vary_faces"
    Config = VaryFacesConfig
    concurrent = True

    def open(self, context: Context) -> None:  # noqa: ARG002
        """Import the code that paints."""
        from henshin_plugins.face.drawn import variation

        self.varied = variation.varied

    def run(self, items: Sequence[Picture]) -> list[Picture | PictureError]:
        """Return each crop (S, S, 3), varied or as it is, whatever the others are; an error for what is not square."""
        return [self._one(crop) for crop in items]

    def _one(self, crop: Picture) -> Picture | PictureError:
        height, width = crop.shape[:2]
        if height != width:
            return PictureError(f"it has {width} x {height} pixels; must be square, as match_proportions gives crops")
        return self.varied(crop, self.config)
