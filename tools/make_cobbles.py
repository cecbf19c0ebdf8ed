"""Makes the sample material, cobbles, in workflows/inputs: its maps are computed, and are this project's own work.

python tools/make_cobbles.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

FOLDER = Path(__file__).resolve().parent.parent / "workflows" / "inputs"
SIZE = 160
"""Side of the maps, in pixels."""
SPACING = 27
"""Distance between stones, in pixels."""
STEEPNESS = 14.0
"""Slope that a difference of 1 between neighbouring pixels of the height makes."""


def noise(generator: np.random.Generator, scale: float, margin: int = 24) -> np.ndarray:
    """Returns smooth noise (SIZE, SIZE) of standard deviation 1, with features of about `scale` pixels."""
    side = SIZE + 2 * margin
    spectrum = np.fft.fft2(generator.standard_normal((side, side)))
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side))
    smooth = np.fft.ifft2(spectrum * np.exp(-((frequency * scale * 2) ** 2))).real[margin:-margin, margin:-margin]
    return (smooth - smooth.mean()) / smooth.std()


def stones(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray, int]:
    """Returns the number of the stone of each pixel, the distance to the next one, and the number of stones."""
    rows, columns = np.mgrid[-1 : SIZE / SPACING + 1, -1 : SIZE / SPACING + 1]
    centres = np.stack([rows, columns + rows % 2 / 2], -1).reshape(-1, 2) * SPACING
    centres += generator.uniform(-0.22, 0.22, centres.shape) * SPACING
    pixels = np.mgrid[:SIZE, :SIZE].astype(float)
    pixels += 1.6 * np.stack([noise(generator, 9), noise(generator, 9)])
    distance = np.sqrt(((pixels.transpose(1, 2, 0)[:, :, None] - centres) ** 2).sum(-1))
    nearest = np.sort(distance, axis=2)
    return distance.argmin(2), nearest[..., 1] - nearest[..., 0], len(centres)


def cobbles(seed: int = 7) -> dict[str, np.ndarray]:
    """Returns the maps, values from 0 to 1, (SIZE, SIZE) or (SIZE, SIZE, 3).

    The colour of a stone says nothing of its height or roughness; moss and wet stones are in places of their own.
    """
    generator = np.random.default_rng(seed)
    stone, gap, count = stones(generator)
    inside = np.clip((gap - 3.0) / 9.0, 0, 1)
    dome = np.sqrt(1 - (1 - inside) ** 2)
    raised = generator.uniform(0.62, 1.0, count)[stone]
    height = 0.12 + dome * (0.8 * raised) + 0.012 * noise(generator, 1.5) + 0.02 * noise(generator, 6) * (dome < 0.1)
    height = np.clip(height, 0, 1)

    palette = np.array(
        [[0.47, 0.44, 0.42], [0.36, 0.40, 0.46], [0.55, 0.40, 0.33], [0.28, 0.29, 0.31], [0.60, 0.56, 0.48]]
    )
    colour = palette[generator.integers(0, len(palette), count)][stone]
    colour = colour * (1 + 0.10 * noise(generator, 2) + 0.07 * noise(generator, 8))[..., None]
    mortar = np.array([0.42, 0.37, 0.30]) * (1 + 0.12 * noise(generator, 1))[..., None]
    solid = np.clip(gap / 4 - 0.35, 0, 1)[..., None]
    colour = mortar + solid * (colour - mortar)
    moss = np.clip(1.6 * noise(generator, 14) - 0.9, 0, 1) * np.clip(1.25 - dome, 0, 1)
    green = np.array([0.24, 0.33, 0.12]) * (1 + 0.2 * noise(generator, 1))[..., None]
    colour = np.clip(colour + 0.85 * moss[..., None] * (green - colour), 0, 1)

    polished = generator.uniform(0.28, 0.75, count)[stone]
    roughness = 0.9 + solid[..., 0] * (polished - 0.9) + 0.04 * noise(generator, 2)
    roughness = np.clip(roughness + moss * (0.95 - roughness), 0.05, 1)
    occlusion = np.clip(1 - 1.5 * np.clip(blurred(height, 5) - height, 0, 1), 0, 1)
    return {
        "base_color": colour,
        "normal": normals(height),
        "roughness": roughness,
        "height": height,
        "ambient_occlusion": occlusion,
    }


def blurred(image: np.ndarray, radius: int) -> np.ndarray:
    """Returns the mean over a square around each pixel."""
    padded = np.pad(image, radius, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * radius + 1, 2 * radius + 1))
    return windows.mean((2, 3))


def normals(height: np.ndarray, steepness: float = STEEPNESS) -> np.ndarray:
    """Returns the normal map of a height map, values from 0 to 1, with green up as in OpenGL."""
    down, right = np.gradient(height)
    vectors = np.stack([-steepness * right, steepness * down, np.ones_like(height)], -1)
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True) + 1) / 2


def main() -> None:
    maps = cobbles()
    for name, values in maps.items():
        Image.fromarray(np.round(values * 255).astype(np.uint8)).save(FOLDER / f"cobbles_{name}.png")
    painted = Image.fromarray(np.round(maps["base_color"] * 255).astype(np.uint8))
    mask = Image.new("L", painted.size, 255)
    ImageDraw.Draw(mask).ellipse((58, 50, 112, 100), fill=0)
    painted.putalpha(mask)
    painted.save(FOLDER / "cobbles_painted.png")


if __name__ == "__main__":
    main()
