# truth: learning-rate-too-high
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

from data import waves

torch.manual_seed(0)
x, y = waves(800)
x = x.unsqueeze(1)
loader = DataLoader(TensorDataset(x, y), batch_size=40, shuffle=True)
model = nn.Sequential(
    nn.Conv1d(1, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1)
)
opt = torch.optim.Adam(model.parameters(), lr=1)
criterion = nn.MSELoss()
for epoch in range(10):
    for xb, yb in loader:
        opt.zero_grad()
        loss = criterion(model(xb), yb.unsqueeze(1))
        loss.backward()
        opt.step()
    print("epoch", epoch + 1, "loss", round(loss.item(), 4))
with torch.no_grad():
    pred = model(x).squeeze(1)
print("R2 %.3f" % (1 - ((pred - y) ** 2).mean() / y.var()).item())
