"""The one place that talks to ComfyUI.

`comfy.*` is imported inside functions, so the pack loads and runs without it.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Protocol

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ..gpdm import GPDMError, StepInfo, to_pil, to_preview

PREVIEWS_PER_SECOND = 4
PARTS_OF_PROGRESS = 1000
SMALLEST_PREVIEW, LARGEST_PREVIEW = 384, 512  # longer side, in pixels


class Host(Protocol):
    """The program that nodes run in."""

    def device(self) -> torch.device:
        """Returns the device for the work."""
        ...

    def make_room(self, required: int) -> None:
        """Frees `required` bytes on that device, by unloading models that can be loaded again."""
        ...

    def intermediate(self, image: Tensor) -> Tensor:
        """Returns `image` on the device and in the type that pictures have between nodes."""
        ...

    def nothing(self) -> object:
        """Returns the value of an output that there is none of: nodes behind it do not run."""
        ...

    def check_cancelled(self) -> None:
        """Raises if the user has cancelled the run."""
        ...

    def say(self, text: str) -> None:
        """Tells the user, in one line, what a node does to a picture besides its task."""
        ...

    def progress(self, total: int) -> Progress:
        """Returns a progress bar of `total` steps."""
        ...

    def files(self, suffix: str) -> list[str] | None:
        """Returns the names of the files with a suffix that `read_file` can read; None if they cannot be listed."""
        ...

    def read_file(self, name: str) -> tuple[str, bytes]:
        """Returns path and content of a file. A name is one in the input folder, or ends in " [output]".

        Raises:
            GPDMError: There is no such file, or it cannot be read.
        """
        ...

    def save_file(self, data: bytes, prefix: str, suffix: str) -> str:
        """Writes a file into the output folder, with a number after the prefix, and returns its path."""
        ...


class Progress(Protocol):
    """A progress bar."""

    def update(self, step: int, preview: Image.Image | None) -> None:
        """Shows that `step` steps are done, and a preview if there is one."""
        ...


class ComfyHost:
    """ComfyUI's device and memory management, progress bar and cancel button."""

    def device(self) -> torch.device:
        import comfy.model_management as mm  # pyright: ignore[reportMissingImports]

        return mm.get_torch_device()

    def make_room(self, required: int) -> None:
        import comfy.model_management as mm  # pyright: ignore[reportMissingImports]

        device = mm.get_torch_device()
        if not mm.is_device_cpu(device):
            mm.free_memory(required, device)

    def intermediate(self, image: Tensor) -> Tensor:
        import comfy.model_management as mm  # pyright: ignore[reportMissingImports]

        # Newer ComfyUI may pass pictures on in half precision; older ones do not have the question.
        dtype = mm.intermediate_dtype() if hasattr(mm, "intermediate_dtype") else torch.float32
        return image.to(device=mm.intermediate_device(), dtype=dtype)

    def nothing(self) -> object:
        from comfy_execution.graph import ExecutionBlocker  # pyright: ignore[reportMissingImports]

        return ExecutionBlocker(None)

    def check_cancelled(self) -> None:
        import comfy.model_management as mm  # pyright: ignore[reportMissingImports]

        # ComfyUI's own progress bar looks at this only as often as it sends an update; we want it at every step.
        mm.throw_exception_if_processing_interrupted()

    def say(self, text: str) -> None:
        # ComfyUI's log shows messages alone, without the name of the logger.
        logging.getLogger("gpdm").warning("GPDM: %s", text)

    def progress(self, total: int) -> Progress:
        return ComfyProgress(total)

    def files(self, suffix: str) -> list[str] | None:
        try:
            import folder_paths  # pyright: ignore[reportMissingImports]
        except ImportError:  # the tables of the pack are made without ComfyUI
            return None
        folders = ((folder_paths.get_input_directory(), ""), (folder_paths.get_output_directory(), " [output]"))
        return [f"{name}{mark}" for folder, mark in folders for name in names_in(Path(folder), suffix)]

    def read_file(self, name: str) -> tuple[str, bytes]:
        import folder_paths  # pyright: ignore[reportMissingImports]

        path = Path(folder_paths.get_annotated_filepath(name))
        folders = [Path(folder_paths.get_input_directory()), Path(folder_paths.get_output_directory())]
        if not any(path.resolve().is_relative_to(folder.resolve()) for folder in folders):
            raise GPDMError(f"{name} is outside the folders of ComfyUI; copy the file into its input folder")
        try:
            return str(path), path.read_bytes()
        except OSError as error:
            raise GPDMError(
                f"{path} cannot be read: {error.strerror}; copy the file into the input folder of ComfyUI, and press R"
            ) from None

    def save_file(self, data: bytes, prefix: str, suffix: str) -> str:
        import folder_paths  # pyright: ignore[reportMissingImports]

        folder, name, number, _, _ = folder_paths.get_save_image_path(prefix, folder_paths.get_output_directory())
        return str(write_file(Path(folder) / f"{name}_{number:05d}_{suffix}", data))


class ComfyProgress:
    """ComfyUI's progress bar with a preview picture on the node."""

    def __init__(self, total: int) -> None:
        import comfy.utils  # pyright: ignore[reportMissingImports]

        self.total, self.bar = total, comfy.utils.ProgressBar(total)

    def update(self, step: int, preview: Image.Image | None) -> None:
        # No size limit for the server to fit it to: it would blur small levels by enlarging them.
        picture = None if preview is None else ("JPEG", preview, None)
        self.bar.update_absolute(step, self.total, picture)


def names_in(folder: Path, suffix: str) -> list[str]:
    """Returns the names of the files with a suffix in a folder and those below it, relative to it, in order."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob(f"*{suffix}") if path.is_file())


def write_file(path: Path, data: bytes) -> Path:
    """Writes a file, which appears whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


_host: Host = ComfyHost()


def use(host: Host) -> Host:
    """Makes `host` the program that nodes run in, and returns the one before. `gpdm run` uses it."""
    global _host
    _host, before = host, _host
    return before


def current() -> Host:
    """Returns the program that nodes run in: ComfyUI, unless `use` set another."""
    return _host


class Reporter:
    """Checks for cancel at every step, moves the progress bar, and shows a few previews a second and the last image.

    It is the `on_step` of a synthesis; that of an edit is its method `report`.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self.bar: Progress | None = None
        self.next_preview = 0.0
        self.part = -1

    def __call__(self, info: StepInfo) -> None:
        # Of several outputs the first, so that the preview does not flicker.
        self.report(info.done, info.image if info.output == 0 else None)

    def report(self, done: float, image: Tensor | None) -> None:
        """Reports the fraction of the work that is done, and an image (1, C, H, W) for the preview, if there is one."""
        self.host.check_cancelled()
        self.bar = self.bar or self.host.progress(PARTS_OF_PROGRESS)
        part, preview = round(done * PARTS_OF_PROGRESS), self._preview(image, is_last=done >= 1)
        # An update is a message to the browser, and takes longer than a small level's step on a GPU.
        if part != self.part or preview is not None:
            self.part = part
            self.bar.update(part, preview)

    def _preview(self, image: Tensor | None, is_last: bool) -> Image.Image | None:
        now = time.monotonic()
        # The last one stays on the node, next to the result.
        if image is None or (now < self.next_preview and not is_last):
            return None
        self.next_preview = now + 1 / PREVIEWS_PER_SECOND
        # Most of a large picture is left behind before it leaves its device.
        image = to_preview(image)
        factor = max(image.shape[2:]) // LARGEST_PREVIEW
        picture = to_pil(F.avg_pool2d(image, factor) if factor > 1 else image).convert("RGB")
        picture.thumbnail((LARGEST_PREVIEW, LARGEST_PREVIEW))
        # Small levels are shown as crisp pixels.
        zoom = max(1, SMALLEST_PREVIEW // max(picture.size))
        return picture.resize((picture.width * zoom, picture.height * zoom), Image.Resampling.NEAREST)
