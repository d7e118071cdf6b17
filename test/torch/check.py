"""What test/torch.test.ts asks of examples/torch/ditac_torch.py: `check.py <what> <folder>`. Prints one line of JSON."""

import copy
import json
import os
import struct
import sys

import torch
from torch import nn

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../examples/torch"))
import ditac_torch  # noqa: E402

what, folder = sys.argv[1:3]
at = lambda name: os.path.join(folder, name)


def floats(name):
    with open(at(name), "rb") as file:
        return torch.frombuffer(bytearray(file.read()), dtype=torch.float32)


def write(name, tensor):
    with open(at(name), "wb") as file:
        file.write(b"".join(struct.pack("<f", value) for value in tensor.detach().reshape(-1).tolist()))


def save(name, tensors):
    """A .safetensors file, without the package."""
    header, data = {}, b""
    for key, value in tensors.items():
        kind, dtype = ("d", "F64") if value.dtype == torch.float64 else ("f", "F32")
        part = b"".join(struct.pack(f"<{kind}", v) for v in value.detach().reshape(-1).tolist())
        header[key] = {"dtype": dtype, "shape": list(value.shape), "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(at(name), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def evaluate():
    """0 where every bit is the kernel's."""
    differing = {}
    for name in json.load(open(at("names.json"))):
        shape = json.load(open(at(f"{name}.json")))
        y = ditac_torch.PlanActivation.from_file(at(f"{name}.plan"))(floats(f"{name}.x").view(shape)).reshape(-1)
        expected = floats(f"{name}.y")
        differing[name] = int((y.view(torch.int32) != expected.view(torch.int32)).sum())
    return differing


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        make = lambda channels=1: ditac_torch.DiTAC(tess=6, a=-2.0, b=2.0, channels=channels)
        self.features = nn.Sequential(nn.Conv2d(1, 4, 3), make(), nn.Conv2d(4, 4, 3), make(4))
        self.head = nn.ModuleList([nn.Linear(64, 8), make(), nn.Linear(8, 3)])

    def forward(self, x):
        x = self.features(x).flatten(1)
        for layer in self.head:
            x = layer(x)
        return x


def train():
    """Some steps; then y, and gradients of Σ gradY·y, for every variant."""
    torch.manual_seed(0)
    report = {}
    for variant in ditac_torch.VARIANTS:
        act = ditac_torch.DiTAC(variant=variant)
        x = torch.linspace(-3.9, 3.9, 400)
        target = torch.sin(2 * x)
        optimizer = torch.optim.Adam(act.parameters(), lr=0.1)
        losses = []
        for _ in range(30):
            optimizer.zero_grad()
            loss = ((act(x) - target) ** 2).mean() + 0.0001 * act.regularization()
            loss.backward()
            optimizer.step()
            losses.append(float(loss))
        x.requires_grad_()
        grad_y = torch.cos(3 * x.detach())
        act.zero_grad()
        y = act(x)
        y.backward(grad_y)
        save(f"{variant}.safetensors", {f"act.{key}": value for key, value in act.state_dict().items()})
        other = ditac_torch.DiTAC(variant=variant)
        other.load_state_dict(act.state_dict())
        for name, tensor in (("x", x), ("y", y), ("gradY", grad_y), ("gradX", x.grad), ("gradThetas", act.thetas.grad)):
            write(f"{variant}.{name}", tensor)
        report[variant] = {"first": losses[0], "last": losses[-1], "same": bool(torch.equal(other(x), y))}
    return report


def export():
    """The network by each exporter that this torch has: as markers, and with Selu in the place of activations."""
    torch.manual_seed(1)
    net = Net().eval()
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.endswith("thetas"):
                parameter.normal_(0, 0.5)
    save("weights.safetensors", net.state_dict())
    x = torch.randn(5, 1, 8, 8)
    write("x", x)
    write("y", net(x))
    marked = ditac_torch.with_markers(net)
    selu = ditac_torch.with_markers(net, lambda _, module: nn.SELU() if isinstance(module, ditac_torch.DiTAC) else None)
    made = []
    names = {"input_names": ["x"], "output_names": ["y"]}
    legacy = {"dynamo": False} if "dynamo" in torch.onnx.export.__code__.co_varnames else {}
    axes = {"x": {0: "batch"}, "y": {0: "batch"}}
    for style, model in (("markers", marked), ("selu", selu)):
        more = {"custom_opsets": {"com.ditac": 1}} if style == "markers" else {}
        torch.onnx.export(model, (x,), at(f"tracing-{style}.onnx"), opset_version=17, dynamic_axes=axes, **names, **legacy, **more)
        made.append(f"tracing-{style}")
        if legacy:
            torch.onnx.export(model, (x,), at(f"export-{style}.onnx"), dynamo=True, **names)
            made.append(f"export-{style}")
    return made


def run():
    """The rewritten models by onnx's checker and onnxruntime for Python."""
    import numpy
    import onnx
    import onnxruntime

    results = {}
    for name in json.load(open(at("rewritten.json"))):
        onnx.checker.check_model(at(name), full_check=True)
        x = floats("x").view(5, 1, 8, 8).numpy()
        expected = numpy.fromfile(at(f"{name}.y"), dtype=numpy.uint32)
        for level in (onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL):
            options = onnxruntime.SessionOptions()
            options.graph_optimization_level = level
            options.log_severity_level = 3
            session = onnxruntime.InferenceSession(at(name), options, providers=["CPUExecutionProvider"])
            y = session.run(None, {"x": x})[0]
            results[f"{name} {level.name}"] = float(numpy.abs(y.reshape(-1) - expected.view(numpy.float32)).max())
    return results


def inherited():
    """copy.deepcopy of a marker keeps what it stands for."""
    marker = copy.deepcopy(ditac_torch.Marker("Snake", "a.", nn.SiLU(), logScale=True))
    try:
        ditac_torch.Marker("Snake")(torch.zeros(1))
    except RuntimeError as error:
        return {"y": float(marker(torch.ones(1))), "attributes": marker.attributes, "error": str(error)}


print(json.dumps({"evaluate": evaluate, "train": train, "export": export, "run": run, "inherited": inherited}[what]()))
