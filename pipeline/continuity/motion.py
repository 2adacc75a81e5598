"""Two pictures compared: shift, motion, structure. Arrays of float32 luma in, numbers out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Luma = NDArray[np.float32]

_REACH = 4  # samples of the halved picture that a block is looked for in every direction: 1/20 of the width
_TEXTURE = 2.0  # luma, standard deviation: below this a block has nothing to recognise it by
_PATCH = 16  # samples, side of a block in `likeness`
_FEWEST = 4  # textured blocks, or there is no likeness to speak of


def levelled(picture: Luma, mean: float, spread: float) -> Luma:
    """The picture with mean 0 and standard deviation 1: what exposure and contrast leave alone."""
    level: Luma = (picture - np.float32(mean)) * np.float32(1 / (spread + 1))
    return level


def blocks(picture: Luma, rows: int, columns: int) -> Luma:
    """Means of rows × columns equal blocks; what is left over at the right and bottom is left out."""
    high, wide = max(1, picture.shape[0] // rows), max(1, picture.shape[1] // columns)
    kept = np.resize(picture, (rows * high, columns * wide)) if _too_small(picture, rows, columns) else picture
    kept = kept[: rows * high, : columns * wide]
    means: Luma = kept.reshape(rows, high, columns, wide).mean(axis=(1, 3))
    return means


def _too_small(picture: Luma, rows: int, columns: int) -> bool:
    return bool(picture.shape[0] < rows or picture.shape[1] < columns)


def compare(before: Luma, after: Luma) -> tuple[float, float]:
    """(residual, peak): what motion doesn't explain, in luma; and the height of the phase correlation's peak."""
    old, new = before - before.mean(), after - after.mean()
    down, right, peak = shift(old, new)
    residual = _least(_halved(old), _halved(new), 0, 0)
    if down or right:
        residual = np.minimum(residual, _least(_halved(old), _halved(new), down // 2, right // 2))
    return float(residual.mean()), peak


def shift(before: Luma, after: Luma) -> tuple[int, int, float]:
    """How far down and right the picture moved, and how sure that is (phase correlation: Kuglin and Hines, 1975)."""
    cross = np.fft.rfft2(after) * np.conj(np.fft.rfft2(before))
    surface = np.fft.irfft2(cross / (np.abs(cross) + 1e-3), s=before.shape)
    at = int(surface.argmax())
    down, right = divmod(at, before.shape[1])
    down -= before.shape[0] * (down > before.shape[0] // 2)
    right -= before.shape[1] * (right > before.shape[1] // 2)
    return max(-20, min(20, down)), max(-20, min(20, right)), float(surface.flat[at])


def _halved(picture: Luma) -> Luma:
    high, wide = picture.shape[0] // 2, picture.shape[1] // 2
    half: Luma = picture[: 2 * high, : 2 * wide].reshape(high, 2, wide, 2).mean(axis=(1, 3))
    return half


def _least(before: Luma, after: Luma, down: int, right: int) -> Luma:
    """For blocks of 4 × 4 samples the least mean difference among all displacements near (down, right)."""
    high, wide = after.shape
    reach = _REACH + max(abs(down), abs(right))
    around = np.pad(before, reach, mode="edge")
    least: Luma = np.full((high // 4, wide // 4), np.inf, dtype=np.float32)
    for y in range(reach - down - _REACH, reach - down + _REACH + 1):
        for x in range(reach - right - _REACH, reach - right + _REACH + 1):
            apart = np.abs(after - around[y : y + high, x : x + wide])[: high // 4 * 4, : wide // 4 * 4]
            rows = apart[0::4] + apart[1::4] + apart[2::4] + apart[3::4]
            np.minimum(least, rows[:, 0::4] + rows[:, 1::4] + rows[:, 2::4] + rows[:, 3::4], out=least)
    return least / np.float32(16)


def likeness(before: Luma, after: Luma) -> float | None:
    """Median over textured blocks of the best correlation with the other picture near by; None without texture.

    Brightness and contrast of a block don't matter: a lamp switched on leaves it high, another place doesn't.
    """
    down, right, _ = shift(before - before.mean(), after - after.mean())
    found = []
    for top in range(0, before.shape[0] - _PATCH + 1, _PATCH):
        for left in range(0, before.shape[1] - _PATCH + 1, _PATCH):
            patch = before[top : top + _PATCH, left : left + _PATCH]
            if patch.std() >= _TEXTURE:
                found.append(max(_best(patch, after, top, left), _best(patch, after, top + down, left + right)))
    return float(np.median(found)) if len(found) >= _FEWEST else None


def _best(patch: Luma, other: Luma, top: int, left: int) -> float:
    """The highest correlation of the patch within 4 samples of (top, left) in the other picture."""
    reach = 4
    top, left = max(0, top - reach), max(0, left - reach)
    area = other[top : top + _PATCH + 2 * reach, left : left + _PATCH + 2 * reach]
    if min(area.shape) < _PATCH:
        return 0.0
    windows = np.lib.stride_tricks.sliding_window_view(area, (_PATCH, _PATCH)).reshape(-1, _PATCH * _PATCH)
    centred = windows - windows.mean(axis=1, keepdims=True)
    wanted = (patch - patch.mean()).ravel()
    scale = np.linalg.norm(centred, axis=1) * np.linalg.norm(wanted) + 1e-6
    return float(((centred @ wanted) / scale).max())


def histogram_distance(before: Luma, after: Luma) -> float:
    """0 for the same brightnesses, 1 for none in common (32 steps, mean removed so that exposure doesn't count)."""
    first, second = (np.histogram(p - p.mean(), bins=32, range=(-128, 128))[0] / p.size for p in (before, after))
    return float(np.abs(first - second).sum() / 2)
