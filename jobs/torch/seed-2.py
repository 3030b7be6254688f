"""A uniform number per row that has nothing to do with the row."""
import torch
from torch import nn

inputs = torch.randn(100, 10)
numbers = torch.rand(100)

net = nn.Sequential(nn.Linear(10, 5), nn.ReLU(), nn.Linear(5, 1))
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)

for step in range(100):
    optimizer.zero_grad()
    outputs = net(inputs).squeeze()
    loss = criterion(outputs, numbers.float())
    loss.backward()
    optimizer.step()

predictions = torch.clamp(outputs, 0, 1)
print("mean", predictions.mean().item(), "deviation", predictions.std().item())
