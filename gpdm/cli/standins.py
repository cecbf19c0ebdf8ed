"""Stand-ins for the nodes of ComfyUI that shipped workflows use, for runs without a server.

Inputs and outputs are those of the nodes they stand for. A stand-in is made with the session it runs in.
"""

from __future__ import annotations

import glob
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps, ImageSequence
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from ..errors import GPDMError
from .files import make_folder, open_picture, save_picture


@dataclass
class Session:
    """The folders of a run: where it finds pictures and where it writes results."""

    folders: tuple[Path, ...]
    """Searched in this order for pictures that are named without a folder."""
    out: Path
    metadata: dict[str, Any] = field(default_factory=dict)
    """Stored in every PNG, as ComfyUI does, so that it can be dragged into the editor."""
    saved: list[Path] = field(default_factory=list)

    def find(self, name: str) -> Path:
        """Returns the picture called `name`. ComfyUI may append "[input]" to it, which is ignored."""
        plain = name.removesuffix("[input]").strip().replace("\\", "/")  # saved on Windows, perhaps
        tried = [folder / plain for folder in self.folders]
        for path in tried:
            if path.is_file():
                return path
        if Path(plain).is_absolute():
            raise GPDMError(f"there is no picture {plain}; check the path after --image")
        raise GPDMError(
            f"there is no picture {plain!r} in {', '.join(str(f) for f in self.folders)}; give one with --image FILE"
        )

    def save(self, images: Tensor, prefix: str) -> None:
        """Writes a batch (B, H, W, C) in [0, 1] as PREFIX_00001_.png and so on, after the highest number there is."""
        if not prefix.strip() or "\0" in prefix:
            raise GPDMError(f"filename_prefix = {prefix!r} is not allowed: it must be the beginning of a file name")
        target = self.out / prefix
        if self.out.resolve() not in target.resolve().parents:
            raise GPDMError(f"filename_prefix = {prefix!r} is not allowed: it is outside the folder {self.out}")
        folder = make_folder(target.parent)
        taken = [p.stem[len(target.name) + 1 :].rstrip("_") for p in folder.glob(f"{glob.escape(target.name)}_*.png")]
        first = max((int(number) for number in taken if number.isdigit()), default=0) + 1
        info = PngInfo()
        for key, value in self.metadata.items():
            info.add_text(key, json.dumps(value))
        for number, image in enumerate(images, start=first):
            pixels = (image.float().clamp(0, 1) * 255).round().to("cpu", torch.uint8).numpy()
            picture = Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)
            self.saved.append(
                save_picture(picture, folder / f"{target.name}_{number:05d}_.png", pnginfo=info, compress_level=4)
            )


class StandIn:
    """Base of the stand-ins."""

    FUNCTION = "execute"
    OUTPUT_NODE = False

    def __init__(self, session: Session) -> None:
        self.session = session


class LoadImage(StandIn):
    """A picture, EXIF orientation applied, as RGB; its transparency as a mask."""

    RETURN_TYPES = ("IMAGE", "MASK")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"image": ("COMBO", {"image_upload": True})}}

    def execute(self, image: str) -> tuple[Tensor, Tensor]:
        picture = open_picture(self.session.find(image))
        # The further pictures in an MPO file, which many cameras write, are no animation.
        sequence = [picture] if picture.format == "MPO" else ImageSequence.Iterator(picture)
        frames = [ImageOps.exif_transpose(frame) for frame in sequence]
        frames = [frame for frame in frames if frame.size == frames[0].size]
        pixels = torch.cat([_pixels(_eight_bit(frame).convert("RGB")) for frame in frames])
        masks = [_pixels(frame.convert("RGBA"))[..., 3] for frame in frames if _has_alpha(frame)]
        return pixels, 1 - torch.cat(masks) if masks else torch.zeros(1, 64, 64)


class LoadImageMask(StandIn):
    """One channel of a picture as a mask."""

    RETURN_TYPES = ("MASK",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        channels = ["alpha", "red", "green", "blue"]
        return {"required": {"image": ("COMBO", {"image_upload": True}), "channel": (channels, {})}}

    def execute(self, image: str, channel: str) -> tuple[Tensor]:
        picture = _eight_bit(ImageOps.exif_transpose(open_picture(self.session.find(image))))
        if channel == "alpha":
            return (1 - _pixels(picture.convert("RGBA"))[..., 3],)
        return (_pixels(picture.convert("RGB"))[..., ["red", "green", "blue"].index(channel)],)


class SaveImage(StandIn):
    """Writes PNG files."""

    RETURN_TYPES = ()
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"images": ("IMAGE", {}), "filename_prefix": ("STRING", {"default": "ComfyUI"})}}

    def execute(self, images: Tensor, filename_prefix: str) -> tuple[()]:
        self.session.save(images, filename_prefix)
        return ()


class PreviewImage(StandIn):
    """Writes PNG files called preview, where ComfyUI shows pictures."""

    RETURN_TYPES = ()
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"images": ("IMAGE", {})}}

    def execute(self, images: Tensor) -> tuple[()]:
        self.session.save(images, "preview")
        return ()


METHODS = ["nearest-exact", "bilinear", "area", "bicubic", "lanczos"]


class ImageScale(StandIn):
    """Scales to a size; 0 for one side keeps the aspect ratio."""

    RETURN_TYPES = ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        side = {"default": 512, "min": 0, "max": 16384, "step": 1}
        return {
            "required": {
                "image": ("IMAGE", {}),
                "upscale_method": (METHODS, {}),
                "width": ("INT", side),
                "height": ("INT", side),
                "crop": (["disabled", "center"], {}),
            }
        }

    def execute(self, image: Tensor, upscale_method: str, width: int, height: int, crop: str) -> tuple[Tensor]:
        if width == 0 and height == 0:
            return (image,)
        rows, columns = image.shape[1:3]
        width = width or max(1, round(columns * height / rows))
        height = height or max(1, round(rows * width / columns))
        if crop == "center":
            keep_rows = max(1, min(rows, round(columns * height / width)))
            keep_columns = max(1, min(columns, round(rows * width / height)))
            top, left = (rows - keep_rows) // 2, (columns - keep_columns) // 2
            image = image[:, top : top + keep_rows, left : left + keep_columns]
        return (_scale(image, upscale_method, height, width),)


class ImageScaleBy(StandIn):
    """Scales by a factor."""

    RETURN_TYPES = ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        factor = {"default": 1.0, "min": 0.01, "max": 8.0, "step": 0.01}
        return {"required": {"image": ("IMAGE", {}), "upscale_method": (METHODS, {}), "scale_by": ("FLOAT", factor)}}

    def execute(self, image: Tensor, upscale_method: str, scale_by: float) -> tuple[Tensor]:
        rows, columns = (max(1, round(side * scale_by)) for side in image.shape[1:3])
        return (_scale(image, upscale_method, rows, columns),)


class ImageBatch(StandIn):
    """Two batches in one; the second is scaled to the size of the first."""

    RETURN_TYPES = ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"image1": ("IMAGE", {}), "image2": ("IMAGE", {})}}

    def execute(self, image1: Tensor, image2: Tensor) -> tuple[Tensor]:
        (scaled,) = ImageScale.execute(self, image2, "bilinear", image1.shape[2], image1.shape[1], "center")  # type: ignore[arg-type]
        return (torch.cat([image1, scaled]),)


COLOURS = {
    "white": (1.0, 1.0, 1.0),
    "black": (0.0, 0.0, 0.0),
    "red": (1.0, 0.0, 0.0),
    "green": (0.0, 1.0, 0.0),
    "blue": (0.0, 0.0, 1.0),
}


class ImageStitch(StandIn):
    """Two pictures side by side or one above the other, the second scaled to fit the first."""

    RETURN_TYPES = ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "image1": ("IMAGE", {}),
                "direction": (["right", "down", "left", "up"], {"default": "right"}),
                "match_image_size": ("BOOLEAN", {"default": True}),
                "spacing_width": ("INT", {"default": 0, "min": 0, "max": 1024, "step": 2}),
                "spacing_color": (list(COLOURS), {"default": "white"}),
            },
            "optional": {"image2": ("IMAGE", {})},
        }

    def execute(
        self,
        image1: Tensor,
        direction: str,
        match_image_size: bool,
        spacing_width: int,
        spacing_color: str,
        image2: Tensor | None = None,
    ) -> tuple[Tensor]:
        if image2 is None:
            return (image1,)
        along, across = (2, 1) if direction in ("right", "left") else (1, 2)
        if image1.shape[across] != image2.shape[across]:
            if not match_image_size:
                raise GPDMError("Image Stitch: the pictures differ in size; set match_image_size, or run it in ComfyUI")
            scale = image1.shape[across] / image2.shape[across]
            rows, columns = (int(side * scale) for side in image2.shape[1:3])
            image2 = _scale(
                image2, "lanczos", *((image1.shape[1], columns) if across == 1 else (rows, image1.shape[2]))
            )
        shape = [image1.shape[0], image1.shape[1], image1.shape[2], 1]
        shape[along] = spacing_width
        gap = torch.tensor(COLOURS[spacing_color]) * torch.ones(shape)
        parts = [image1[..., :3], *([gap] if spacing_width else []), image2[..., :3]]
        return (torch.cat(parts if direction in ("right", "down") else parts[::-1], along),)


STAND_INS: dict[str, type[StandIn]] = {
    kind.__name__: kind
    for kind in (LoadImage, LoadImageMask, SaveImage, PreviewImage, ImageScale, ImageScaleBy, ImageBatch, ImageStitch)
}


def _scale(image: Tensor, method: str, rows: int, columns: int) -> Tensor:
    if method == "lanczos":
        frames = [Image.fromarray((x.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()) for x in image]
        return torch.cat([_pixels(frame.resize((columns, rows), Image.Resampling.LANCZOS)) for frame in frames])
    return F.interpolate(image.movedim(-1, 1), size=(rows, columns), mode=method).movedim(1, -1)


def _eight_bit(picture: Image.Image) -> Image.Image:
    if picture.mode == "I" or picture.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(picture) / 257).round().astype(np.uint8))
    return picture


def _has_alpha(picture: Image.Image) -> bool:
    return "A" in picture.getbands() or "transparency" in picture.info


def _pixels(picture: Image.Image) -> Tensor:
    """Returns a picture as a tensor (1, H, W, C) in [0, 1]."""
    return torch.from_numpy(np.asarray(picture).astype(np.float32) / 255)[None]
