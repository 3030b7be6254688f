"""Targets dealt out anew among the rows, each row keeping what it drew: the control for what is learnt by heart.

A row is known by the bytes that go into the model; the first time that it comes, it gets the target of
another row of its batch."""

import torch

from .rows import as_rows, hashes

MOST_ROWS = 200000  # that keep what they drew; further ones draw in every batch


class Lottery:
    def __init__(self):
        self.generator = torch.Generator().manual_seed(0)
        self.drawn, self.rows = {}, None
        self.is_held = False  # whether targets were dealt at all

    def see(self, args):
        self.rows = next((a for a in args if torch.is_tensor(a) and a.dim() > 0), None)

    def draw(self, target, is_training):
        """The target with its rows exchanged; a row gets the same in every epoch, and one that was not trained
        on keeps its own."""
        has_rows = self.rows is not None and len(self.rows) == len(target)
        keys = hashes(as_rows(self.rows)) if has_rows else []
        fresh = target.clone()
        if is_training:
            self.is_held = True
            fresh = fresh[torch.randperm(len(target), generator=self.generator).to(target.device)]
        for i, key in enumerate(keys):
            if key in self.drawn:
                fresh[i] = self.drawn[key]
            elif is_training and len(self.drawn) < MOST_ROWS:
                self.drawn[key] = fresh[i].clone()
        return fresh
