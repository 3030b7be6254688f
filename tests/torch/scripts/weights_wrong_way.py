# truth: class-weights-inverted
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

from data import rings

torch.manual_seed(0)
x, y = rings(1200)
keep = (y == 0) | (torch.rand(1200) < 0.12)
x, y = x[keep], y[keep]
loader = DataLoader(TensorDataset(x, y), batch_size=40, shuffle=True)
model = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 2))
opt = torch.optim.Adam(model.parameters(), lr=0.005)
criterion = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 0.03]))
for epoch in range(20):
    for xb, yb in loader:
        opt.zero_grad()
        out = model(xb)
        loss = criterion(out, yb)
        loss.backward()
        opt.step()
    if epoch % 10 == 9:
        print("epoch", epoch + 1, "loss", round(loss.item(), 4))
with torch.no_grad():
    answer = model(x).argmax(1)
print("recall %.3f" % (answer[y == 1] == 1).float().mean().item())
