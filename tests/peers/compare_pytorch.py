"""Trains the same networks in Telaio and in PyTorch, from the same parameters on the same batches, and compares.

    compare_pytorch.py PROGRAM       PROGRAM is ten_steps

In float64 all parameters must agree to 1e-9 after ten steps, in float32 the losses of the steps to a relative 1e-5. The
latter is asked of small batches and of optimizers that do not divide by differences: in float32 two elements of a pool's
window that differ in the last bit, or a centered second moment near zero, send the two frameworks different ways, each as
far from float64 as the other.
"""

import json
import os
import struct
import subprocess
import sys
import tempfile

import numpy
import torch
from torch.nn import functional

F64_LIMIT = 1e-9  # largest absolute difference of a parameter
F32_LIMIT = 1e-5  # largest relative difference of a loss

ADAM = "adam,learning_rate=0.002"
CASES = [  # network, ending, optimizer, whether in float32 too
    ("cnn", "softmax", ADAM, True),
    ("cnn", "sigmoid", ADAM, True),
    ("dense", "softmax", ADAM, True),
    ("cnn", "softmax", "adamw,learning_rate=0.002,weight_decay=0.01", False),
    ("cnn", "softmax", "sgd,learning_rate=0.05,momentum=0.9,nesterov", True),
    ("dense", "softmax", "rmsprop,learning_rate=0.0005,momentum=0.5,centered", False),
    ("linear", "softmax", "adagrad,learning_rate=0.01", True),
    ("cnn", "softmax", "sgd,learning_rate=0.1,clip_norm=1", True),
]
BATCH = 32


def read_safetensors(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    types = {"F64": "<f8", "F32": "<f4", "I64": "<i8"}
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            array = numpy.frombuffer(data[begin:end], types[entry["dtype"]]).reshape(entry["shape"])
            tensors[name] = torch.from_numpy(array.copy())
    return tensors


def to_torch(name, tensor):
    """Filters [height, width, in, out] → [out, in, height, width]; dense weights stay [in, out]."""
    return tensor.permute(3, 2, 0, 1).contiguous() if tensor.dim() == 4 else tensor.clone()


def to_telaio(name, tensor):
    return tensor.permute(2, 3, 1, 0) if tensor.dim() == 4 else tensor


def forward(network, p, x):
    """x is [N, height, width, channels], as in Telaio."""
    if network == "cnn":
        x = x.permute(0, 3, 1, 2)
        for layer in ("conv1", "conv2"):
            x = functional.max_pool2d(functional.relu(functional.conv2d(x, p[layer + ".weight"], p[layer + ".bias"])), 2)
        x = x.permute(0, 2, 3, 1)
    x = x.flatten(1)
    layers = sorted({name.split(".")[0] for name in p if name.startswith("dense")})
    for layer in layers:
        x = x @ p[layer + ".weight"] + p[layer + ".bias"]
        if layer != layers[-1]:
            x = functional.relu(x)
    return x


def make_optimizer(text, parameters):
    name, *fields = text.split(",")
    given = dict(field.split("=") if "=" in field else (field, "1") for field in fields)
    number = lambda key, default=0.0: float(given.get(key, default))
    rate = number("learning_rate")
    if name == "adam":
        return torch.optim.Adam(parameters, lr=rate, eps=1e-7)
    if name == "adamw":
        return torch.optim.AdamW(parameters, lr=rate, eps=1e-7, weight_decay=number("weight_decay"))
    if name == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=rate, alpha=0.9, eps=1e-7, momentum=number("momentum"), centered="centered" in given)
    if name == "adagrad":
        return torch.optim.Adagrad(parameters, lr=rate, eps=1e-7, initial_accumulator_value=0.1)
    return torch.optim.SGD(parameters, lr=rate, momentum=number("momentum"), nesterov="nesterov" in given)


def ten_steps(tensors, network, ending, optimizer):
    p = {n[8:]: to_torch(n, t).requires_grad_() for n, t in tensors.items() if n.startswith("initial/")}
    rule = make_optimizer(optimizer, list(p.values()))
    batch = len(tensors["targets"]) // 10
    losses = []
    for step in range(10):
        x = tensors["inputs"][step * batch : (step + 1) * batch]
        y = tensors["targets"][step * batch : (step + 1) * batch]
        logits = forward(network, p, x)
        if ending == "softmax":
            loss = functional.cross_entropy(logits, y)
        else:
            loss = functional.binary_cross_entropy_with_logits(logits, functional.one_hot(y, 10).to(logits.dtype))
        rule.zero_grad()
        loss.backward()
        if "clip_norm" in optimizer:
            # Not clip_grad_norm_, which divides by the norm + 1e-6: Keras and Telaio take the norm as it is.
            norm = torch.sqrt(sum((t.grad**2).sum() for t in p.values()))
            for t in p.values():
                t.grad *= torch.clamp(1.0 / norm, max=1.0)
        rule.step()
        losses.append(loss.item())
    return losses, {n: to_telaio(n, t.detach()) for n, t in p.items()}


def main():
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__.strip())
        return 0 if len(sys.argv) == 2 else 2
    print(f"PyTorch {torch.__version__}, ten steps each; float64: largest difference of a parameter (limit {F64_LIMIT:g}),")
    print(f"float32: largest relative difference of a loss (limit {F32_LIMIT:g})\n")
    width = max(len(optimizer) for _, _, optimizer, _ in CASES)
    print(f"{'network':8} {'ending':8} {'optimizer':{width}}  float64   float32")
    failed = 0
    for network, ending, optimizer, both in CASES:
        line = f"{network:8} {ending:8} {optimizer:{width}}"
        for dtype in ("f64", "f32") if both else ("f64",):
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "steps.safetensors")
                subprocess.run([sys.argv[1], network, ending, optimizer, dtype, str(BATCH), path], check=True)
                tensors = read_safetensors(path)
            losses, parameters = ten_steps(tensors, network, ending, optimizer)
            # Maxima of tensors: a NaN stays one, and then nothing agrees.
            largest = lambda prefix, t, n: (t - tensors[prefix + n]).abs().max()
            if any(largest("initial/", t, n) == 0 for n, t in parameters.items()):
                raise SystemExit("a parameter did not move, so the comparison would say nothing of it")
            if dtype == "f64":
                worst = torch.stack([largest("final/", t, n) for n, t in parameters.items()]).max().item()
                good = worst <= F64_LIMIT
            else:
                ours, theirs = tensors["losses"], torch.tensor(losses, dtype=torch.float64)
                worst = ((ours - theirs).abs() / ours.abs()).max().item()
                good = worst <= F32_LIMIT
            line += f"  {worst:.1e}{' ' if good else '!'}"
            failed += not good
        print(line, flush=True)
    print("\nall agree" if failed == 0 else f"\n{failed} disagree (marked with !)")
    return 0 if failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
