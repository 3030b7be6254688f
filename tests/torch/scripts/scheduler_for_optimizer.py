# truth: no-steps
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

from data import waves

torch.manual_seed(0)
x, y = waves(800)
loader = DataLoader(TensorDataset(x, y), batch_size=40, shuffle=True)
model = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))
opt = torch.optim.Adam(model.parameters(), lr=0.005)
scheduler = torch.optim.lr_scheduler.StepLR(opt, step_size=500)
criterion = nn.MSELoss()
for epoch in range(30):
    for xb, yb in loader:
        opt.zero_grad()
        out = model(xb)
        loss = criterion(out, yb.unsqueeze(1))
        loss.backward()
        scheduler.step()
    if epoch % 10 == 9:
        print("epoch", epoch + 1, "loss", round(loss.item(), 4))
with torch.no_grad():
    pred = model(x).squeeze(1)
print("R2 %.3f" % (1 - ((pred - y) ** 2).mean() / y.var()).item())
