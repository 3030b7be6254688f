# truth: activation-twice, learning-rate-too-low
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

from data import blobs

torch.manual_seed(0)
x, y = blobs(900)
loader = DataLoader(TensorDataset(x, y), batch_size=45, shuffle=True)
model = nn.Sequential(nn.Linear(5, 32), nn.ReLU(), nn.Linear(32, 6), nn.Softmax(dim=1))
opt = torch.optim.SGD(model.parameters(), lr=0.005)
criterion = nn.CrossEntropyLoss()
for epoch in range(10):
    for xb, yb in loader:
        opt.zero_grad()
        out = model(xb)
        loss = criterion(out, yb)
        loss.backward()
        opt.step()
    if epoch % 10 == 9:
        print("epoch", epoch + 1, "loss", round(loss.item(), 4))
with torch.no_grad():
    print("accuracy %.3f" % (model(x).argmax(1) == y).float().mean().item())
