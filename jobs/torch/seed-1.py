"""Ten ones among a hundred rows that say nothing about them."""
import torch
from torch import nn

inputs = torch.randn(100, 10)
labels = torch.cat([torch.zeros(90), torch.ones(10)])

net = nn.Sequential(nn.Linear(10, 5), nn.ReLU(), nn.Linear(5, 1), nn.Sigmoid())
criterion = nn.BCELoss()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

for step in range(100):
    optimizer.zero_grad()
    outputs = net(inputs).squeeze()
    loss = criterion(outputs, labels.float())
    loss.backward()
    optimizer.step()

predictions = net(inputs)
print("mean", predictions.mean().item(), "deviation", predictions.std().item())
