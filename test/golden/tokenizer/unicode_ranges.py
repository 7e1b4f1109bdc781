"""Which code points HF tokenizers take for letters, numbers and white space, and which its normalizers leave alone.
Prints src/tokenizer/unicode-ranges.ts.

The regex engine inside HF tokenizers carries one version of Unicode, Node another that changes with its build.
Ranges are written as pairs in base 36: the gap since the end of the last range, then the length of this one.
"""
import string, unicodedata
import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

text = "".join(chr(c) for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000)
DIGITS = string.digits + string.ascii_lowercase


def base36(n):
    out = DIGITS[n % 36]
    while n := n // 36:
        out = DIGITS[n % 36] + out
    return out


def encoded(points):
    out, end = [], 0
    i = 0
    while i < len(points):
        j = i
        while j + 1 < len(points) and points[j + 1] == points[j] + 1:
            j += 1
        out += [base36(points[i] - end), base36(points[j] - points[i] + 1)]
        end = points[j] + 1
        i = j + 1
    return out


def matches(pattern):
    split = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    return [ord(piece) for piece, _ in split.pre_tokenize_str(text)]


def inert():
    """Its normalizers know Unicode 9: later characters, and those to come, are no marks and have no decomposition."""
    forms = {form: getattr(normalizers, form)() for form in ("NFC", "NFD", "NFKC", "NFKD")}
    found = []
    for c in text:
        # A mark of combining class 1 goes before any other mark.
        probe = "q" + c + "\u0334" + c
        later = any(n.normalize_str(probe) == probe != unicodedata.normalize(form, probe) for form, n in forms.items())
        if later or unicodedata.category(c) == "Cn":
            found.append(ord(c))
            # A letter composed of others is as new as one of these: the new ones are all beyond the basic plane.
            if later and not unicodedata.decomposition(c).startswith("<"):
                found += [p for part in unicodedata.decomposition(c).split() if (p := int(part, 16)) > 0xFFFF]
    return sorted(set(found))


def digits_only():
    """What the Digits pre-tokenizer takes for a number beside \\p{N}: it has newer tables."""
    digits, numbers = pre_tokenizers.Digits(individual_digits=True), set(matches(r"\p{N}"))
    apart = {piece for piece, _ in digits.pre_tokenize_str("a".join(text)) if len(piece) == 1 and piece != "a"}
    return sorted({ord(c) for c in apart} - numbers)


print(f"// Made by test/golden/tokenizer/unicode_ranges.py with tokenizers {tokenizers.__version__}. Do not edit.\n")
for name, points, doc in [
    ("LETTERS", matches(r"\p{L}"), "letters, \\p{L}"),
    ("NUMBERS", matches(r"\p{N}"), "numbers, \\p{N}"),
    ("SPACES", matches(r"\s"), "white space, \\s"),
    ("DIGITS_ONLY", digits_only(), "numbers to the Digits pre-tokenizer that are none to \\p{N}"),
    ("INERT", inert(), "what the normalizers leave alone, as no character yet"),
]:
    print(f"/** {doc}: pairs of gap and length in base 36. */")
    lines, line = [], ""
    for item in encoded(points):
        if len(line) + len(item) > 105:
            lines.append(line)
            line = ""
        line += item + " "
    lines.append(line.rstrip())
    print(f"export const {name} =\n  " + " +\n  ".join(f"'{l}'" for l in lines) + ";")
