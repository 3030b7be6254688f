# truth: weight-decay-too-strong
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

from data import rings

torch.manual_seed(0)
x, y = rings(800)
loader = DataLoader(TensorDataset(x, y), batch_size=40, shuffle=True)
model = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 1))
opt = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.5)
criterion = nn.BCEWithLogitsLoss()
for epoch in range(30):
    for xb, yb in loader:
        opt.zero_grad()
        out = model(xb)
        loss = criterion(out, yb.float().unsqueeze(1))
        loss.backward()
        opt.step()
    if epoch % 10 == 9:
        print("epoch", epoch + 1, "loss", round(loss.item(), 4))
with torch.no_grad():
    p = torch.sigmoid(model(x)).squeeze(1)
print("accuracy %.3f" % ((p > 0.5).long() == y).float().mean().item())
