#!/usr/bin/env python3
"""Exports a PyTorch checkpoint with DiTAC activations for ditac, with everything that the checkpoint itself lacks.

A state dict holds the parameters of every activation but neither the basis they refer to, nor the interval, nor the variant.
Run this once where the model was trained, with the model at hand:

    from export_checkpoint import export
    export(model, "model.safetensors")

Every module that has `thetas` and `precision_mat` gets three more tensors beside them:

    <prefix>ditac.basis      [2N, d] float64   rows 2c and 2c+1: slope and offset of every basis field on cell c
    <prefix>ditac.interval   [2]     float64   a, b
    <prefix>ditac.variant    [1]     float32   0 gelu, 1 leaky, 2 ge, 3 bare, 4 inf

Needs torch, difw (it came with DiTAC) and safetensors. In JavaScript:

    DiTAC.fromStateDict(loadSafetensors(file).tensors, { prefix: "act_1." })
"""

import os
import sys

import torch
from safetensors.torch import save_file

VARIANTS = {"gelu_cpab": 0, "leaky_cpab": 1, "ge_cpab": 2, "cpab": 3, "inf_cpab": 4}


def basis_of(module):
    """B of the module's transformation, as difw computed it on this machine."""
    try:
        basis = module.T.params.B
    except AttributeError as missing:
        raise ValueError(f"cannot find the basis of {type(module).__name__}: expected module.T.params.B") from missing
    return torch.as_tensor(basis).detach().to("cpu", torch.float64).contiguous()


def modules_of(model):
    """All modules, one that goes by several names under each: so does the state dict have it."""
    try:
        return list(model.named_modules(remove_duplicate=False))
    except TypeError:
        # Models that override named_modules need not know the argument; then names of one module are found by what they share.
        modules = list(model.named_modules())
    named = {name for name, _ in modules}
    for key, tensor in model.state_dict().items():
        name = key[: -len(".thetas")]
        if not key.endswith(".thetas") or name in named:
            continue
        for _, module in list(modules):
            if hasattr(module, "thetas") and module.thetas.data_ptr() == tensor.data_ptr():
                modules.append((name, module))
                break
    return modules


def added_tensors(model):
    """The tensors to add, by name."""
    added = {}
    for name, module in modules_of(model):
        if not (hasattr(module, "thetas") and hasattr(module, "precision_mat")):
            continue
        prefix = f"{name}." if name else ""
        basis = basis_of(module)
        dimension = module.thetas.shape[-1]
        if basis.shape[1] != dimension:
            raise ValueError(f"{prefix}: the basis has {basis.shape[1]} columns, thetas have {dimension}")
        kind = getattr(module, "cpab_act_type", "gelu_cpab")
        if kind not in VARIANTS:
            raise ValueError(f"{prefix}: unknown variant {kind!r}, expected one of {', '.join(VARIANTS)}")
        added[f"{prefix}ditac.basis"] = basis
        added[f"{prefix}ditac.interval"] = torch.tensor([float(module.a), float(module.b)], dtype=torch.float64)
        added[f"{prefix}ditac.variant"] = torch.tensor([float(VARIANTS[kind])])
    if not added:
        raise ValueError("the model has no DiTAC activation: no module with thetas and precision_mat")
    return added


def export(model, path):
    """Writes the model's state dict and the added tensors to a .safetensors file."""
    tensors = {**model.state_dict(), **added_tensors(model)}
    # Each has memory of its own: the format refuses tensors that share it, as tied weights and parts of a larger tensor do.
    save_file({name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}, path)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: export_checkpoint.py MODEL.pt OUT.safetensors   (MODEL.pt: a whole model saved with torch.save)")
    if os.path.exists(sys.argv[2]) and os.path.samefile(sys.argv[1], sys.argv[2]):
        sys.exit(f"{sys.argv[2]} is the model itself, which would be lost; write to another file")
    export(torch.load(sys.argv[1], map_location="cpu", weights_only=False), sys.argv[2])
