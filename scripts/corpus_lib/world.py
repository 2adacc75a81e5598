"""What the cameras of the corpus look at: a large painted world, crossed by a moving view; and what they hear.

A worn camera never cuts, never stands quite still and is never free of noise; a mounted one may see nothing move.
"""

from __future__ import annotations

import random
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT = 1600, 900


def paint(target: Path, seed: int) -> None:
    """Write a world: noise of several scales, and a few hundred solid things in front of it."""
    dice = random.Random(seed)
    ground = Image.new("RGB", (WIDTH, HEIGHT), tuple(dice.randrange(60, 150) for _ in range(3)))
    for cells in (6, 24, 96, 400):
        small = Image.frombytes(
            "RGB", (cells, cells * 9 // 16 or 1), dice.randbytes(cells * (cells * 9 // 16 or 1) * 3)
        )
        ground = Image.blend(ground, small.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), 0.22)
    brush = ImageDraw.Draw(ground)
    for _ in range(260):
        x, y = dice.randrange(WIDTH), dice.randrange(HEIGHT)
        w, h = dice.randrange(6, 120), dice.randrange(6, 120)
        colour = tuple(dice.randrange(20, 235) for _ in range(3))
        shape = brush.rectangle if dice.random() < 0.6 else brush.ellipse
        shape((x, y, x + w, y + h), fill=colour)
    ground.filter(ImageFilter.GaussianBlur(0.8)).save(target, compress_level=1)


def view(look: str, width: int, height: int, seed: int) -> str:
    """The crop filter (and what the sensor adds) that makes a moving picture of a still world."""
    phase = seed % 17
    room_x, room_y = WIDTH - width - 40, HEIGHT - height - 40
    ways = {
        "walk": (23.0, 31.0, 3.0), "fast": (3.1, 4.3, 9.0), "static": (0, 0, 0), "dark": (29.0, 37.0, 3.0),
        "drive": (9.0, 47.0, 2.0), "slow": (90.0, 120.0, 1.0), "shelf": (0, 0, 0),
    }  # fmt: skip
    across, up, shake = ways[look]
    if across:
        x = f"20+{room_x}*(0.5+0.48*sin(2*PI*t/{across}+{phase}))+{shake}*sin(6.9*t)+{shake / 2}*sin(17.1*t+1)"
        y = f"20+{room_y}*(0.5+0.45*sin(2*PI*t/{up}+{phase * 2}))+{shake}*sin(5.3*t+2)+{shake / 2}*sin(13.7*t)"
    else:
        x, y = str(room_x * (phase + 1) // 18), str(room_y // 2)
    parts = [f"crop={width}:{height}:x='{x}':y='{y}':exact=1", "format=yuv420p"]
    if look == "dark":
        parts.append("eq=brightness=-0.28:contrast=0.45")
    noise = {"dark": 22, "static": 2, "shelf": 0, "fast": 6}.get(look, 5)
    if noise:
        parts.append(f"noise=alls={noise}:allf=t:all_seed={seed}")
    return ",".join(parts)


def people(seed: int) -> str:
    """Two things that move through the view by themselves; as a filter graph after `[view]`, ending in `[seen]`."""
    return (
        f"color=0x{(seed * 7919) % 0xFFFFFF:06x}:s=26x60[one];color=0xd8c8b0:s=40x28[two];"
        f"[view][one]overlay=x='mod(37*t+{seed * 37 % 300},W+w)-w':y='H-h-12-4*abs(sin(5*t))':shortest=1[both];"
        "[both][two]overlay=x='W*(0.5+0.35*sin(0.7*t))-w/2':y='H*(0.6+0.1*cos(1.1*t))':shortest=1[seen]"
    )
