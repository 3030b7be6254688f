"""A callback names the softmax in front of the cross-entropy that a Trainer trains with."""

import torch, pitprop_torch
from torch import nn
from transformers import Trainer, TrainingArguments
torch.manual_seed(0)
x = torch.randn(300, 4); y = (x[:, 0] > 0).long()
class Net(nn.Module):
    def __init__(self):
        super().__init__(); self.net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
    def forward(self, x, labels=None):
        out = torch.softmax(self.net(x), 1)
        return {"loss": nn.functional.cross_entropy(out, labels), "logits": out}
data = [{"x": a, "labels": b} for a, b in zip(x, y)]
watch = pitprop_torch.trainer_callback(output="hf", why=False)
args = TrainingArguments(output_dir="hf-out", num_train_epochs=3, per_device_train_batch_size=30, use_cpu=True, report_to=[], save_strategy="no", learning_rate=0.01, disable_tqdm=True)
Trainer(model=Net(), args=args, train_dataset=data, callbacks=[watch]).train()
assert watch.answer["faults"][0]["id"] == "activation-twice", watch.answer
