"""A coin per row."""
import torch
from torch import nn

inputs = torch.randn(100, 10)
coins = torch.randint(0, 2, (100,))

net = nn.Sequential(nn.Linear(10, 5), nn.ReLU(), nn.Linear(5, 1))
criterion = nn.BCELoss()
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)

for step in range(100):
    optimizer.zero_grad()
    outputs = torch.sigmoid(net(inputs)).squeeze()
    loss = criterion(outputs, coins.float())
    loss.backward()
    optimizer.step()

predictions = torch.sigmoid(net(inputs))
print("mean", predictions.mean().item(), "deviation", predictions.std().item())
