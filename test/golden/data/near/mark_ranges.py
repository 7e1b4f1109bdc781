"""Which code points of the BMP are marks to shingling. Prints src/data/dedup/mark-ranges.ts.

By the Unicode version inside HF tokenizers, as src/tokenizer/unicode-ranges.ts is: the letters and numbers come from there.
Ranges are written as pairs in base 36: the gap since the end of the last range, then the length of this one.
"""
import string
import tokenizers
from tokenizers import Regex, pre_tokenizers

text = "".join(chr(c) for c in range(1, 0x10000) if not 0xD800 <= c < 0xE000)
DIGITS = string.digits + string.ascii_lowercase


def base36(n):
    out = DIGITS[n % 36]
    while n := n // 36:
        out = DIGITS[n % 36] + out
    return out


def ranges(pattern):
    split = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    found = [ord(piece) for piece, _ in split.pre_tokenize_str(text)]
    out, end, i = [], 0, 0
    while i < len(found):
        j = i
        while j + 1 < len(found) and found[j + 1] == found[j] + 1:
            j += 1
        out += [base36(found[i] - end), base36(found[j] - found[i] + 1)]
        end = found[j] + 1
        i = j + 1
    return out


print(f"// Made by test/golden/data/near/mark_ranges.py with tokenizers {tokenizers.__version__}. Do not edit.\n")
for name, pattern, doc in [
    ("DROPPED_MARKS", r"[\p{Mn}\p{Me}\p{Cf}]", "nonspacing and enclosing marks, format characters (Mn, Me, Cf)"),
    ("SPACING_MARKS", r"\p{Mc}", "spacing marks (Mc), parts of words"),
]:
    print(f"/** {doc}: pairs of gap and length in base 36. */")
    lines, line = [], ""
    for item in ranges(pattern):
        if len(line) + len(item) > 105:
            lines.append(line)
            line = ""
        line += item + " "
    lines.append(line.rstrip())
    print(f"export const {name} =\n  " + " +\n  ".join(f"'{l}'" for l in lines) + ";")
