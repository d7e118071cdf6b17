"""A model with one DiTAC activation, described on standard input, goes through examples/export_checkpoint.py."""

import json
import sys
from types import SimpleNamespace

import torch
from export_checkpoint import export

given = json.load(sys.stdin)
rows, columns = given["shape"]
activation = SimpleNamespace(
    thetas=torch.Tensor(given["thetas"], (len(given["thetas"]) // columns, columns)),
    precision_mat=torch.Tensor(given["precision"], (columns, columns)),
    T=SimpleNamespace(params=SimpleNamespace(B=torch.Tensor(given["basis"], (rows, columns)))),
    a=given["a"],
    b=given["b"],
    cpab_act_type="leaky_cpab",
)
model = SimpleNamespace(
    named_modules=lambda: [("", SimpleNamespace()), ("act_1", activation)],
    state_dict=lambda: {"act_1.thetas": activation.thetas, "act_1.precision_mat": activation.precision_mat},
)
export(model, sys.argv[1])
