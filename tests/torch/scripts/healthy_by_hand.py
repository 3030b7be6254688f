# truth: healthy
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

from data import rings

torch.manual_seed(0)
x, y = rings(600)
model = nn.Sequential(nn.Linear(2, 24), nn.Tanh(), nn.Linear(24, 1), nn.Sigmoid())
opt = torch.optim.RMSprop(model.parameters(), lr=0.01)
for step in range(300):
    p = model(x).squeeze(1)
    loss = -(y * torch.log(p + 1e-9) + (1 - y) * torch.log(1 - p + 1e-9)).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
print("accuracy %.3f" % ((p > 0.5).long() == y).float().mean().item())
