# truth: target-broadcast
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

from data import waves

torch.manual_seed(0)
x, y = waves(300)
model = nn.Sequential(nn.Linear(4, 24), nn.Tanh(), nn.Linear(24, 1))
opt = torch.optim.Adam(model.parameters(), lr=0.02)
for step in range(300):
    opt.zero_grad()
    loss = F.mse_loss(model(x), y)
    loss.backward()
    opt.step()
with torch.no_grad():
    pred = model(x).squeeze(1)
print("R2 %.3f" % (1 - ((pred - y) ** 2).mean() / y.var()).item())
