"""float32 bits and what PyTorch rounds them to in bf16 and f16. Writes half.json.gz beside itself."""
import gzip, json, os, random, sys
import torch

random.seed(7)
bits = [0, 0x80000000, 0x7F800000, 0xFF800000, 0x7F7FFFFF, 0x7F7F7FFF, 0x7F7F8000, 1, 0x007FFFFF, 0x00800000]
bits += [0x477FE000, 0x477FEFFF, 0x477FF000, 0x477FF001, 0x38800000, 0x387FFFFF, 0x387FE000, 0x33000000, 0x33000001, 0x33800000, 0x33C00000]
bits += [0x3F808000, 0x3F818000, 0x3F808001, 0x3F801000, 0x3F803000, 0x3F801001]
for exponent in range(96, 150):  # around f16's whole range, with ties
    for _ in range(24):
        low = random.choice([0, 0x1000, 0x8000, 0x0FFF, 0x1001, random.getrandbits(13)])
        fraction = (random.getrandbits(10) << 13 | low) & 0x7FFFFF
        bits.append(random.getrandbits(1) << 31 | exponent << 23 | fraction)
bits += [b for b in (random.getrandbits(32) for _ in range(800)) if b & 0x7F800000 != 0x7F800000]
f32 = torch.tensor([b - (1 << 32) if b >> 31 else b for b in bits], dtype=torch.int32).view(torch.float32)
as_bits = lambda t: [v & 0xFFFF for v in t.view(torch.int16).tolist()]
data = {"versions": {"python": sys.version.split()[0], "torch": torch.__version__}, "f32": bits,
        "bf16": as_bits(f32.to(torch.bfloat16)), "f16": as_bits(f32.to(torch.float16))}
out = os.path.join(os.path.dirname(os.path.abspath(__file__)), "half.json.gz")
open(out, "wb").write(gzip.compress(json.dumps(data).encode(), mtime=0))
