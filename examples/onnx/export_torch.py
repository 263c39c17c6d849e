"""Writes a small PyTorch model as digits.onnx, untrained, for `ingot train` (see README.md). Needs torch and onnx."""
import torch

model = torch.nn.Sequential(
    torch.nn.Conv2d(1, 16, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
    torch.nn.Conv2d(16, 32, 3, padding=1), torch.nn.ReLU(), torch.nn.Flatten(),
    torch.nn.Linear(32 * 4 * 4, 10))
example = torch.zeros(1, 1, 8, 8)
batch = torch.export.Dim("N")
torch.onnx.export(model, (example,), "digits.onnx", input_names=["x"], output_names=["y"], opset_version=18,
                  dynamo=True, external_data=False, dynamic_shapes=({0: batch},))
