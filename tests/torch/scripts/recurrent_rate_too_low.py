# truth: learning-rate-too-low, unsuitable-optimiser, too-few-steps
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

from data import blobs

torch.manual_seed(0)
x, y = blobs(900)
loader = DataLoader(TensorDataset(x.unsqueeze(2), y), batch_size=45, shuffle=True)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.GRU(1, 24, batch_first=True)
        self.out = nn.Linear(24, 6)

    def forward(self, x):
        return self.out(self.cell(x)[0][:, -1])


model = Net()
opt = torch.optim.Adam(model.parameters(), lr=1e-6)
criterion = nn.CrossEntropyLoss()
for epoch in range(8):
    for xb, yb in loader:
        opt.zero_grad()
        out = model(xb)
        loss = criterion(out, yb)
        loss.backward()
        opt.step()
    if epoch % 10 == 9:
        print("epoch", epoch + 1, "loss", round(loss.item(), 4))
with torch.no_grad():
    print("accuracy %.3f" % (model(x.unsqueeze(2)).argmax(1) == y).float().mean().item())
