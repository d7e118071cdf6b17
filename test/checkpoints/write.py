#!/usr/bin/env python3
"""State dicts of trained activations, written by the released classes themselves, and what those classes compute from them.

    write.py OUT [SOURCES]

For every class that can be had: a few steps of training, OUT/<case>.safetensors as `state_dict()` is, and an entry of OUT/expected.json with
inputs, gradients that come in, and outputs and gradients of the same class evaluated in float64. Classes of packages are taken from the files of
the installed package alone: most packages need much more than their activation does. Classes that no registry has are taken from
SOURCES/<owner>/<repository>/<path>. What cannot be had is listed by name.
"""

import ast
import base64
import copy
import importlib.metadata
import json
import math
import os
import sys

import numpy as np
import torch
import torch.utils.checkpoint
from safetensors.torch import save_file

OUT = sys.argv[1]
SOURCES = sys.argv[2] if len(sys.argv) > 2 else None
CHANNELS = 3
LENGTH = 33


class Missing(Exception):
    """A class cannot be had."""


def installed(package, path):
    """The file of an installed package."""
    try:
        return str(importlib.metadata.distribution(package).locate_file(path))
    except importlib.metadata.PackageNotFoundError as error:
        raise Missing(f"the package {package} is not installed") from error


def repository(path):
    if SOURCES is None or not os.path.exists(os.path.join(SOURCES, path)):
        raise Missing(f"no file {path}: it is in no registry")
    return os.path.join(SOURCES, path)


def take(path, *names, **given):
    """Some of a file's classes and functions, with torch, and nothing else that it imports."""
    if not os.path.exists(path):
        raise Missing(f"no file {os.path.basename(path)}")
    wanted = [node for node in ast.parse(open(path).read()).body if getattr(node, "name", None) in names]
    for node in wanted:
        # Registries of classes, and just-in-time compilers: neither changes what is computed.
        node.decorator_list = []
    scope = {"torch": torch, "th": torch, "np": np, "nn": torch.nn, "F": torch.nn.functional, "math": math, "os": os}
    scope.update(json=json, sin=torch.sin, pow=torch.pow, square=torch.square, addcdiv=torch.addcdiv)
    scope.update(Parameter=torch.nn.Parameter, Module=torch.nn.Module, Function=torch.autograd.Function)
    scope.update(Exponential=torch.distributions.exponential.Exponential, __file__=path, **given)
    # Annotations are never evaluated.
    code = ast.Module([ast.ImportFrom("__future__", [ast.alias("annotations")], 0), *wanted], [])
    exec(compile(ast.fix_missing_locations(code), path, "exec"), scope)
    missing = [name for name in names if name not in scope]
    if missing:
        raise Missing(f"{os.path.basename(path)} has no {', '.join(missing)}")
    return scope[names[0]]


def released(package, path, *names, **given):
    return take(installed(package, path), *names, **given)


def from_repository(path, *names, **given):
    return take(repository(path), *names, **given)


def first(module):
    return module, [2, CHANNELS, LENGTH], "channelsFirst"


def first4(module):
    return module, [2, CHANNELS, 11, 3], "channelsFirst"


def last(module):
    return module, [2, LENGTH, CHANNELS], "channelsLast"


def shared(module):
    return module, [6 * LENGTH], None


class Edge(torch.nn.Module):
    """One edge of a layer: the layer where its other inputs are all the same, less their sum."""

    def __init__(self, layer, edge, inputs, take=lambda y: y):
        super().__init__()
        self.layer, self.edge, self.inputs, self.take = layer, edge, inputs, take

    def forward(self, x):
        o, i = self.edge
        rest = torch.zeros(x.shape[0], self.inputs, dtype=x.dtype)
        there = rest.clone()
        there[:, i] = x
        zero = self.take(self.layer(rest[:1]))[:, o]
        # What the edge itself is at 0 has to come back.
        return self.take(self.layer(there))[:, o] - zero + self.at_zero()

    def at_zero(self):
        raise NotImplementedError


def set_(parameter, *values):
    with torch.no_grad():
        parameter.copy_(torch.tensor(values, dtype=parameter.dtype).reshape(parameter.shape))


def with_values(module, **values):
    for name, each in values.items():
        set_(dict(module.named_parameters())[name], *each)
    return module


def dac_snake():
    path = "dac/nn/layers.py"
    return released("descript-audio-codec", path, "Snake1d", "snake")


def aglu(path, name, **values):
    made = from_repository(f"kostas1515/AGLU/{path}", name, "UniRect_static")
    return lambda n: with_values(made(n), **{key: each[:n] for key, each in values.items()})


LAMBDAS = {"lambda_param": (0.3, -0.004, 0.8), "kappa_param": (1.1, 0.9, -0.7)}
POSITIVE = {"lambda_param": (0.3, 0.05, 0.8), "kappa_param": (1.1, 0.9, -0.7)}
RESNET = "classification/resnet_cifar.py"
SE_RESNET = "mmdetection_v3.2/mmdet/models/backbones/se_resnet.py"
SWIN = "mmdetection_v3.2/mmdet/models/backbones/swin.py"


def unified():
    return first4(aglu(RESNET, "Unified", **LAMBDAS)(3))


def rational(version, approximates="leaky_relu", degrees=(5, 4)):
    def make():
        installed("rational-activations", "rational/__init__.py")
        try:
            from rational.torch import Rational
        except ImportError as error:
            raise Missing(str(error)) from error
        return shared(Rational(approximates, degrees, cuda=False, version=version))

    return make


def pykan():
    try:
        from kan.KANLayer import KANLayer
    except ImportError as error:
        raise Missing(str(error)) from error

    class PykanEdge(Edge):
        def at_zero(self):
            o, i = self.edge
            # The third output is what every edge gives: [sample, output, input].
            return self.layer(torch.zeros(1, self.inputs, dtype=self.layer.coef.dtype))[2][0, o, i]

    return shared(PykanEdge(KANLayer(in_dim=2, out_dim=3), (2, 1), 2, lambda y: y[0]))


def efficient_kan():
    made = from_repository("Blealtan/efficient-kan/src/efficient_kan/kan.py", "KANLinear")

    class EfficientEdge(Edge):
        def at_zero(self):
            o, i = self.edge
            zeros = torch.zeros(1, self.inputs, dtype=self.layer.grid.dtype)
            return (self.layer.b_splines(zeros)[0, i] * self.layer.scaled_spline_weight[o, i]).sum()

    return shared(EfficientEdge(made(2, 3), (2, 1), 2))


def chebykan():
    made = from_repository("SynodicMonth/ChebyKAN/ChebyKANLayer.py", "ChebyKANLayer")

    class ChebyEdge(Edge):
        def at_zero(self):
            o, i = self.edge
            k = torch.arange(self.layer.degree + 1, dtype=self.layer.cheby_coeffs.dtype)
            return (torch.cos(k * math.pi / 2) * self.layer.cheby_coeffs[i, o]).sum()

    return shared(ChebyEdge(made(2, 3, 4), (2, 1), 2))


def fourierkan():
    made = from_repository("GistNoesis/FourierKAN/fftKAN.py", "NaiveFourierKANLayer")

    class FourierEdge(Edge):
        def at_zero(self):
            o, i = self.edge
            return self.layer.fouriercoeffs[0, o, i].sum()

    return shared(FourierEdge(made(2, 3, 4), (2, 1), 2))


def kat():
    folder = "Adamdad/rational_kat_cu/kat_rational"
    cpu = from_repository(f"{folder}/kat_1dgroup_torch.py", "Rational_CUDA_A_1DGroup", "_get_xps")
    made = from_repository(f"{folder}/kat_1dgroup.py", "KAT_Group", Rational_CUDA_A_1DGroup=cpu, rational_1dgroup=None)
    return made(num_groups=2, mode="swish", device="cpu"), [2, LENGTH, 4], "channelsLast"


def xielu(dtype):
    def make():
        try:
            from transformers.activations import XIELUActivation
        except ImportError as error:
            raise Missing(str(error)) from error
        return shared(XIELUActivation(dtype=dtype))

    return make


def hermite(**options):
    def make():
        try:
            from torchortho import HermiteActivation
        except ImportError as error:
            raise Missing(str(error)) from error
        return shared(HermiteActivation(3, **options))

    return make


def fourier():
    try:
        from torchortho import FourierActivation
    except ImportError as error:
        raise Missing(str(error)) from error
    return shared(FourierActivation(4))


def oobleck():
    try:
        from diffusers.models.autoencoders.autoencoder_oobleck import Snake1d
    except (ImportError, RuntimeError) as error:
        raise Missing(f"diffusers: {error}") from error
    return first(Snake1d(CHANNELS))


def dixon():
    made = from_repository("EdwardDixon/snake/snake/activations.py", "Snake", "SnakeFunction")
    module = made(CHANNELS)
    set_(module.a, 0.7, 1.4, 2.9)
    return last(module)


def dyt(channels_last):
    def make():
        made = from_repository("jiachenzhu/DyT/dynamic_tanh.py", "DynamicTanh")
        module = made([CHANNELS], channels_last)
        if channels_last:
            return last(module)
        return first4(module)

    return make


def polyrelu():
    class Config:
        init_device = "cpu"

    class Activation(torch.nn.Module):
        def __init__(self, config):
            super().__init__()

    path = "BryceZhuo/PolyCom/moe_model/olmo/model.py"
    return shared(from_repository(path, "PolyReLU", "poly", Activation=Activation)(Config()))


def ultralytics(*values):
    def make():
        module = released("ultralytics", "ultralytics/nn/modules/activation.py", "AGLU")()
        for parameter, value in zip(module.parameters(), values):
            set_(parameter, value)
        return shared(module)

    return make


BIGVGAN = "bigvgan/activations.py"
METAFORMER = "timm/models/metaformer.py"

# name, the family, what its importer has to be told, the module, its learning rate, and the fault that the class is known for.
CASES = [
    ("torch_prelu", "prelu", {}, lambda: shared(torch.nn.PReLU())),
    ("torch_prelu_channels", "prelu", {}, lambda: first(torch.nn.PReLU(CHANNELS))),
    ("torch_elu", "elu", {"alpha": 1.3}, lambda: shared(torch.nn.ELU(1.3))),
    ("torch_celu", "celu", {"alpha": 0.6}, lambda: shared(torch.nn.CELU(0.6))),
    ("torch_selu", "selu", {}, lambda: shared(torch.nn.SELU())),
    ("torch_softplus", "softplus", {"beta": 2}, lambda: shared(torch.nn.Softplus(2))),
    ("torch_mish", "mish", {}, lambda: shared(torch.nn.Mish())),
    ("torch_silu", "swish", {"beta": 1}, lambda: shared(torch.nn.SiLU())),
    ("timm_starrelu", "starrelu", {}, lambda: shared(released("timm", METAFORMER, "StarReLU", Optional=None)())),
    ("transformers_xielu", "xielu", {}, xielu(torch.float32)),
    ("transformers_xielu_bfloat16", "xielu", {}, xielu(torch.bfloat16)),
    ("ultralytics_aglu", "apa", {}, ultralytics(0.4, 0.7)),
    ("ultralytics_aglu_clamped", "apa", {}, ultralytics(-0.02, 0.5)),
    ("aglu_unified", "apa", {}, unified),
    ("aglu_unirect", "aglu", {"clamp": "add"}, lambda: first4(aglu(RESNET, "UniRect", **POSITIVE)(3)), "lambda"),
    ("aglu_unirect_se_resnet", "aglu", {"clamp": "max"}, lambda: first4(aglu(SE_RESNET, "UniRect", **LAMBDAS)(3))),
    ("aglu_unirect_swin", "aglu", {"clamp": "add"}, lambda: last(aglu(SWIN, "UniRect", **POSITIVE)(3)), "lambda"),
    ("bigvgan_snake", "snake", {"logScale": False}, lambda: first(released("bigvgan", BIGVGAN, "Snake")(CHANNELS))),
    (
        "bigvgan_snake_log",
        "snake",
        {"logScale": True},
        lambda: first(released("bigvgan", BIGVGAN, "Snake")(CHANNELS, alpha_logscale=True)),
    ),
    (
        "bigvgan_snakebeta_log",
        "snakebeta",
        {"logScale": True},
        lambda: first(released("bigvgan", BIGVGAN, "SnakeBeta")(CHANNELS, alpha_logscale=True)),
    ),
    ("dac_snake", "snake", {"logScale": False}, lambda: first(dac_snake()(CHANNELS))),
    ("oobleck_snake", "snakebeta", {"logScale": True}, oobleck),
    ("dixon_snake", "snake", {}, dixon),
    ("pykan_layer", "bspline", {"edge": [2, 1]}, pykan),
    ("efficient_kan", "bspline", {"edge": [2, 1]}, efficient_kan),
    ("chebykan", "chebykan", {"edge": [2, 1]}, chebykan),
    ("fourierkan", "fourierseries", {"edge": [2, 1]}, fourierkan),
    ("rational_a", "rational", {"version": "A"}, rational("A")),
    ("rational_a_gelu", "rational", {"version": "A"}, rational("A", "gelu")),
    ("rational_b", "rational", {"version": "B"}, rational("B")),
    ("rational_c", "rational", {"version": "C"}, rational("C", "leaky_relu")),
    ("rational_n_gelu", "rational", {"version": "N"}, rational("N", "gelu"), "pole"),
    ("rationalnets", "rational", {}, lambda: shared(rationalnets())),
    ("kat_group", "rational", {"channels": 4}, kat, "x < 0"),
    ("hermite", "hermite", {}, hermite(), "x = 0"),
    ("hermite_clamp", "hermite", {}, hermite(clamp=True), "x = 0"),
    ("torchortho_fourier", "fourier", {}, fourier),
    ("acon_c", "aconc", {}, lambda: first4(from_repository("nmaac/acon/acon.py", "AconC")(CHANNELS))),
    ("dyt_last", "dyt", {"layout": "channelsLast"}, dyt(True)),
    ("dyt_first", "dyt", {"layout": "channelsFirst"}, dyt(False)),
    ("polycom_polyrelu", "polyrelu", {}, polyrelu),
]


def rationalnets():
    return from_repository("NBoulle/RationalNets/src/PyTorch implementation/rational.py", "Rational")()


def train(module, shape):
    """A few steps towards something else, for parameters that a network could have."""
    trained = [each for each in module.parameters() if each.requires_grad]
    if not trained:
        return
    optimizer = torch.optim.SGD(trained, lr=0.01)
    dtype = trained[0].dtype
    for _ in range(5):
        x = torch.rand(shape, dtype=torch.float32).mul(3).sub(1.2).to(dtype)
        loss = (module(x) - torch.nn.functional.gelu(1.1 * x)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 5.0)
        optimizer.step()


def packed(tensor, dtype):
    return base64.b64encode(np.asarray(tensor.detach().numpy(), dtype=dtype).tobytes()).decode()


def run(name, family, told, make, fault=None):
    torch.manual_seed(sum(map(ord, name)))
    module, shape, layout = make()
    train(module, shape)
    inner = module.layer if isinstance(module, Edge) else module
    state = {f"act.{key}": value.detach().clone().contiguous() for key, value in inner.state_dict().items()}
    if state:
        save_file(state, os.path.join(OUT, f"{name}.safetensors"))
    exact = copy.deepcopy(module).double()
    # -6 to 6, 0 among them, in no order that goes with a channel.
    count = math.prod(shape)
    steps = torch.arange(count, dtype=torch.float64) * 37 % count
    x = ((steps / (count - 1) - 0.5) * 12).float()
    x[5] = 0.0
    if fault == "x < 0":
        x = x.abs()
    grad = torch.sin(torch.arange(count, dtype=torch.float64) * 1.7).float()
    x64 = x.double().reshape(shape).requires_grad_()
    y = exact(x64)
    y.backward(grad.double().reshape(y.shape))
    grad_x = packed(x64.grad.reshape(-1), "<f8")
    inner = exact.layer if isinstance(exact, Edge) else exact
    parameters = {key: each for key, each in inner.named_parameters() if each.grad is not None}
    # The largest share that any element has in a sum: what sums are measured by, since they may cancel.
    largest = {key: 0.0 for key in parameters}
    sums = {key: each.grad.clone() for key, each in parameters.items()}
    outputs = exact(x64).reshape(-1)
    for i, weight in enumerate(grad.double()):
        for each in parameters.values():
            each.grad = None
        outputs[i].backward(weight, retain_graph=True)
        for key, each in parameters.items():
            if each.grad is not None:
                largest[key] = max(largest[key], float(each.grad.abs().max()))
    gradients = {key: packed(each.reshape(-1), "<f8") for key, each in sums.items()}
    return {
        "name": name,
        "family": family,
        "told": told,
        "class": f"{type(inner).__name__}",
        "shape": shape,
        **({"layout": layout} if layout else {}),
        **({"fault": fault} if fault else {}),
        "isEmpty": not state,
        "x": packed(x, "<f4"),
        "gradY": packed(grad, "<f4"),
        "y": packed(y.reshape(-1), "<f8"),
        "gradX": grad_x,
        "gradients": gradients,
        "largest": largest,
    }


def main():
    os.makedirs(OUT, exist_ok=True)
    cases, skipped = [], []
    for each in CASES:
        try:
            cases.append(run(*each))
        except Missing as reason:
            skipped.append({"name": each[0], "reason": str(reason)})
    with open(os.path.join(OUT, "expected.json"), "w") as file:
        json.dump({"format": "ditac-checkpoints/1", "cases": cases, "skipped": skipped}, file, indent=1)
        file.write("\n")
    for each in skipped:
        print(f"skipped {each['name']}: {each['reason']}", file=sys.stderr)
    print(f"{len(cases)} state dicts")


main()
