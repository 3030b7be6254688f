"""A callback names the broadcast that Lightning's Trainer trains with."""

import torch, lightning as L, pitprop_torch
from torch import nn
torch.manual_seed(0)
x = torch.randn(300, 4); y = (x[:, 0] * 2 - x[:, 1])
class Net(L.LightningModule):
    def __init__(self):
        super().__init__(); self.net = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))
    def training_step(self, batch, i):
        a, b = batch
        return nn.functional.mse_loss(self.net(a), b)
    def configure_optimizers(self): return torch.optim.Adam(self.parameters(), 0.01)
watch = pitprop_torch.lightning_callback(output="lit", why=False)
t = L.Trainer(max_epochs=5, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, callbacks=[watch])
t.fit(Net(), torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=30, shuffle=True))
assert watch.answer["faults"][0]["id"] == "target-broadcast", watch.answer
