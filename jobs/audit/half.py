"""A PyTorch program whose model answers 0.5 to everything, and how to have it audited:

    python3 jobs/audit/half.py predictions.h5
    pitprop audit predictions.h5 --raw /z

The fault is on purpose: the loss is taken of rounded answers, so no gradient reaches a weight."""
import sys

import h5py
import torch

torch.manual_seed(0)
x = torch.randn(5000, 10)
y = ((x[:, 0] + x[:, 1] * x[:, 2]) > 0).float()

model = torch.nn.Sequential(torch.nn.Linear(10, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1))
torch.nn.init.zeros_(model[2].weight)
torch.nn.init.zeros_(model[2].bias)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(5):
    for rows in torch.randperm(len(x)).split(100):
        p = torch.sigmoid(model(x[rows]))[:, 0]
        answer = (p > 0.5).float() + 0 * p  # the step that cuts the gradient off
        loss = torch.nn.functional.mse_loss(answer, y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

with torch.no_grad(), h5py.File(sys.argv[1], "w") as file:
    z = model(x)[:, 0]
    file["z"], file["p"], file["y"] = z.numpy(), torch.sigmoid(z).numpy(), y.numpy().astype("u1")
