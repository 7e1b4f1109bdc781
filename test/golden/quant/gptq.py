"""GPTQ by its published algorithm (Frantar et al. 2022, arXiv:2210.17323, algorithm 1), for test/quant/gptq.test.ts.

Run: python gptq.py gptq.safetensors

Two Cholesky factorizations of H and its inverse, columns swept in blocks with lazy updates, all in torch: nothing is shared
with src/quant. Every case is computed in float32 (as the authors' code does) and in float64.
Codes are stored signed; the authors' zero point 128 is taken off.
"""

import math
import sys

import torch
from safetensors.torch import save_file

torch.manual_seed(0)
torch.set_num_threads(1)


def scale_of(block, half):
    """2 absmax / 255 for each row of `block`; with `half`, the next number up with 8 significant bits (no subnormals here)."""
    absmax = block.abs().amax(1)
    scale = torch.where(absmax == 0, torch.ones_like(absmax), 2 * absmax / 255)
    if half:
        step = torch.exp2(torch.floor(torch.log2(scale)) - 7)
        return torch.where(absmax == 0, scale, torch.ceil(scale / step) * step)
    return scale.float().to(block.dtype)


def gptq(weight, x, dtype, group, actorder, half, percdamp=0.01, blocksize=128):
    w = weight.to(dtype).clone()
    x = x.to(dtype)
    rows, columns = w.shape
    hessian = 2 / x.shape[0] * (x.T @ x)
    whole_scale = scale_of(w, half)
    static = [scale_of(w[:, g : g + group], half) for g in range(0, columns, group)] if group and actorder else None
    dead = hessian.diagonal() == 0
    hessian[dead, dead] = 1
    w[:, dead] = 0
    perm = torch.argsort(hessian.diagonal(), descending=True, stable=True) if actorder else torch.arange(columns)
    w, hessian = w[:, perm], hessian[perm][:, perm]
    hessian.diagonal().add_(percdamp * hessian.diagonal().mean())
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(hessian))
    factor = torch.linalg.cholesky(inverse, upper=True)

    codes = torch.zeros(rows, columns, dtype=torch.int8)
    scales = torch.zeros(rows, columns // group if group else 1, dtype=dtype)
    for i1 in range(0, columns, blocksize):
        i2 = min(i1 + blocksize, columns)
        block, errors = w[:, i1:i2].clone(), torch.zeros(rows, i2 - i1, dtype=dtype)
        for i in range(i2 - i1):
            column = perm[i1 + i].item()
            if group is None:
                scale, slot = whole_scale, 0
            elif actorder:
                slot = column // group
                scale = static[slot]
            else:
                slot = column // group
                if (i1 + i) % group == 0:
                    current = scale_of(block[:, i : i + group], half)
                scale = current
            scales[:, slot] = scale
            q = torch.clamp(torch.round(block[:, i] / scale), -128, 127)
            codes[:, column] = q.to(torch.int8)
            error = (block[:, i] - q * scale) / factor[i1 + i, i1 + i]
            block[:, i:] -= error[:, None] * factor[i1 + i, i1 + i : i2][None]
            errors[:, i] = error
        w[:, i2:] -= errors @ factor[i1:i2, i2:]
    return codes, scales.float()


def output_error(weight, x, codes, scales):
    """Relative squared error of the layer's output, from the data itself."""
    group = codes.shape[1] // scales.shape[1]
    back = codes.double() * scales.double().repeat_interleave(group, 1)
    x = x.double()
    return ((x @ (weight.double() - back).T) ** 2).sum() / ((x @ weight.double().T) ** 2).sum()


rows, columns, samples = 20, 192, 240
mix = torch.randn(columns, columns) / math.sqrt(columns) * torch.exp(torch.randn(columns))[None]
x = (torch.randn(samples, columns) @ mix + 0.1 * torch.randn(samples, columns)).half().float()
x[:, 70] = 0
weight = (torch.randn(rows, columns) * 0.05).bfloat16().float()
weight[3, 32:64] = weight[3, 32:64].abs()

tensors = {"weight": weight, "x": x.half()}
for name, group, actorder, half in [
    ("channel", None, False, False),
    ("channel_half", None, False, True),
    ("channel_actorder", None, True, False),
    ("group32", 32, False, True),
    ("group32_actorder", 32, True, True),
]:
    for precision, dtype in (("f32", torch.float32), ("f64", torch.float64)):
        codes, scales = gptq(weight, x, dtype, group, actorder, half)
        tensors[f"{name}.{precision}.codes"] = codes
        tensors[f"{name}.{precision}.scales"] = scales
        tensors[f"{name}.{precision}.error"] = output_error(weight, x, codes, scales).reshape(1)
save_file(tensors, sys.argv[1], metadata={"torch": torch.__version__, "script": "test/golden/quant/gptq.py"})
