"""Which code points HF tokenizers take for letters, numbers and white space. Prints src/tokenizer/unicode-ranges.ts.

The regex engine inside HF tokenizers carries one version of Unicode, Node another that changes with its build.
Ranges are written as pairs in base 36: the gap since the end of the last range, then the length of this one.
"""
import string, sys
import tokenizers
from tokenizers import Regex, pre_tokenizers

text = "".join(chr(c) for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000)
DIGITS = string.digits + string.ascii_lowercase


def base36(n):
    out = DIGITS[n % 36]
    while n := n // 36:
        out = DIGITS[n % 36] + out
    return out


def ranges(pattern):
    split = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    found, out, end = [ord(piece) for piece, _ in split.pre_tokenize_str(text)], [], 0
    i = 0
    while i < len(found):
        j = i
        while j + 1 < len(found) and found[j + 1] == found[j] + 1:
            j += 1
        out += [base36(found[i] - end), base36(found[j] - found[i] + 1)]
        end = found[j] + 1
        i = j + 1
    return out


print(f"// Made by test/golden/tokenizer/unicode_ranges.py with tokenizers {tokenizers.__version__}. Do not edit.\n")
for name, pattern, doc in [("LETTERS", r"\p{L}", "letters, \\\\p{L}"), ("NUMBERS", r"\p{N}", "numbers, \\\\p{N}"), ("SPACES", r"\s", "white space, \\\\s")]:
    print(f"/** {doc.replace(chr(92)*2, chr(92))}: pairs of gap and length in base 36. */")
    lines, line = [], ""
    for item in ranges(pattern):
        if len(line) + len(item) > 105:
            lines.append(line)
            line = ""
        line += item + " "
    lines.append(line.rstrip())
    print(f"export const {name} =\n  " + " +\n  ".join(f"'{l}'" for l in lines) + ";")
