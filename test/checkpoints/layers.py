#!/usr/bin/env python3
"""Whole KAN layers in float64, by the released classes, from the state dicts that write.py has written: test/golden/checkpoints/layers.json.

    layers.py FOLDER EFFICIENT_KAN PYKAN

EFFICIENT_KAN is src/efficient_kan/kan.py of Blealtan/efficient-kan; PYKAN the folder `kan` of the package pykan, of which the layer alone is used.
gradY[n] is cos(n).
"""

import base64
import importlib.util
import json
import os
import struct
import sys
import types

import numpy as np
import torch

FOLDER, EFFICIENT_KAN, PYKAN = sys.argv[1:]


class Absent(types.ModuleType):
    """A module of which nothing is called here."""

    def __getattr__(self, name):
        return lambda *args, **kwargs: None


for name in ["sklearn", "sklearn.linear_model", "sympy", "sympy.utilities", "sympy.utilities.lambdify", "yaml", "tqdm", "pandas", "matplotlib", "matplotlib.pyplot"]:
    sys.modules.setdefault(name, Absent(name))
package = types.ModuleType("kan")
package.__path__ = [PYKAN]
sys.modules["kan"] = package
from kan.KANLayer import KANLayer  # noqa: E402

spec = importlib.util.spec_from_file_location("efficient_kan", EFFICIENT_KAN)
efficient = importlib.util.module_from_spec(spec)
spec.loader.exec_module(efficient)


def load(name):
    data = open(os.path.join(FOLDER, name + ".safetensors"), "rb").read()
    start = 8 + struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for key, value in json.loads(data[8:start]).items():
        if key != "__metadata__":
            first, last = (start + offset for offset in value["data_offsets"])
            array = np.frombuffer(data[first:last], dtype=np.float32).reshape(value["shape"])
            tensors[key.split(".", 1)[1]] = torch.tensor(array.copy())
    return tensors


def text(tensor, dtype=np.float64):
    return base64.b64encode(tensor.detach().numpy().astype(dtype).tobytes()).decode()


torch.manual_seed(3)
x = (torch.rand(64, 2) * 4 - 2).float()
cases = {}
for name, layer in [("efficient_kan", efficient.KANLinear(2, 3)), ("pykan_layer", KANLayer(in_dim=2, out_dim=3))]:
    layer.load_state_dict(load(name), strict=True)
    layer = layer.double()
    inputs = x.double().requires_grad_(True)
    y = layer(inputs)
    y = y[0] if isinstance(y, tuple) else y
    (y * torch.cos(torch.arange(y.numel(), dtype=torch.float64)).reshape(y.shape)).sum().backward()
    gradients = {key: text(p.grad) for key, p in layer.named_parameters() if p.grad is not None}
    cases[name] = {"y": text(y), "gradX": text(inputs.grad), "gradients": gradients}
note = "efficient-kan's KANLinear and pykan 0.2.8's KANLayer in float64, with the state dicts beside this file; gradY[n] = cos(n)"
with open(os.path.join(FOLDER, "layers.json"), "w") as file:
    json.dump({"x": text(x, np.float32), "shape": [64, 2], "cases": cases, "note": note}, file)
