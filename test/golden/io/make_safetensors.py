"""Writes the safetensors fixture that test/io/safetensors.test.ts reads, and checks a file that llmkit wrote.

    python make_safetensors.py            # writes mixed.safetensors and mixed.json beside this script
    python make_safetensors.py check F    # reads F, written by llmkit from the same values, and compares
"""

import json
import pathlib
import sys

import safetensors
import torch
from safetensors import safe_open
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent


def tensors():
    g = torch.Generator().manual_seed(7)
    base = torch.randn(3, 5, generator=g)
    return {
        "f64": base.double(),
        "f32": base,
        "f16": torch.cat([base.half().flatten(), torch.tensor([65504.0, 6e-8, -0.0]).half()]),
        "bf16": base.bfloat16(),
        "i64": torch.tensor([-(2**40), 5]),
        "i32": torch.tensor([[-7], [8]], dtype=torch.int32),
        "i16": torch.tensor([-300, 300], dtype=torch.int16),
        "i8": torch.tensor([-128, 127], dtype=torch.int8),
        "u8": torch.tensor([0, 255], dtype=torch.uint8),
        "bool": torch.tensor([True, False]),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 4),
        "name with \"quotes\" and 中文": torch.tensor([1.0]),
    }


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "check":
        with safe_open(sys.argv[2], framework="pt") as f:
            assert f.metadata() == {"format": "pt", "note": "é"}, f.metadata()
            expected = tensors()
            assert set(f.keys()) == set(expected)
            for name, value in expected.items():
                got = f.get_tensor(name)
                assert got.dtype == value.dtype and got.shape == value.shape, name
                assert torch.equal(got, value), name
        print("ok")
        return
    save_file(tensors(), HERE / "mixed.safetensors", metadata={"format": "pt", "note": "é"})
    record = {"versions": {"safetensors": safetensors.__version__, "torch": torch.__version__}, "tensors": {}}
    for name, value in tensors().items():
        record["tensors"][name] = {"shape": list(value.shape), "values": value.double().flatten().tolist()}
    (HERE / "mixed.json").write_text(json.dumps(record, ensure_ascii=False, indent=1) + "\n")


main()
