# truth: healthy
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

from data import rings

torch.manual_seed(0)
x, y = rings(600)
w1 = (torch.randn(2, 24) * 0.7).requires_grad_()
b1 = torch.zeros(24, requires_grad=True)
w2 = (torch.randn(24, 1) * 0.2).requires_grad_()
b2 = torch.zeros(1, requires_grad=True)
opt = torch.optim.Adam([w1, b1, w2, b2], lr=0.02)
for step in range(300):
    logit = torch.relu(x @ w1 + b1) @ w2 + b2
    loss = F.binary_cross_entropy_with_logits(logit.squeeze(1), y.float())
    opt.zero_grad()
    loss.backward()
    opt.step()
print("accuracy %.3f" % ((logit.squeeze(1) > 0).long() == y).float().mean().item())
