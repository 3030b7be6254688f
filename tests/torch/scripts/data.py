"""Data for the scripts beside this file: what they have in common, as users' own modules."""
import torch


def rings(rows, seed=5):
    """Two classes, one around the other; x [rows, 2], y [rows] of 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, 2, generator=generator)
    return x, (x.pow(2).sum(1) > 1.4).long()


def waves(rows, seed=6):
    """A smooth function of four columns; x [rows, 4], y [rows]."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(rows, 4, generator=generator) * 2 - 1
    y = torch.sin(3 * x[:, 0]) + x[:, 1] * x[:, 2] + 0.5 * x[:, 3]
    return x, y + 0.05 * torch.randn(rows, generator=generator)


def blobs(rows, classes=6, seed=7):
    """Clusters; x [rows, 5], y [rows] of 0 to classes - 1."""
    generator = torch.Generator().manual_seed(seed)
    centres = 2 * torch.randn(classes, 5, generator=generator)
    y = torch.randint(0, classes, (rows,), generator=generator)
    return centres[y] + 0.6 * torch.randn(rows, 5, generator=generator), y
