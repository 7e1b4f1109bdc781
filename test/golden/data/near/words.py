"""Words of texts as near-duplicate detection should see them, by Python's unicodedata. Writes words.json beside this file.

Lower case, NFD without Mn (and Me, Cf), runs of numbers as 0, everything else but letters and spacing marks separates;
a character of a script without spaces is a word."""
import json, pathlib, sys, unicodedata

TEXTS = [
    "Hello, World!", "don't stop", "naïve Café ÀÉÎÕÜ Ångström", "re\u0301sume\u0301 = résumé", "3.14 and 1,234,567 in 2024",
    "v2.10beta", "x² + y³ = ½", "Ⅳ ⅷ ②", "snake_case and kebab-case", "co\u00adoperate zero\u200bwidth joi\u200dned \ufeffbom",
    "Привет, МИР! Ёлка и йод", "ΑΘΗΝΑ Ελλάδα οδός ΣΊΣΥΦΟΣ", "Straße STRASSE", "ﬁn ﬂy", "İstanbul ISPARTA ısı",
    "机器学习(Machine Learning)是人工智能的一个分支。", "他在2024年3月买了5本书,花了¥199.50。", "《红楼梦》第一回：甄士隐梦幻识通灵",
    "これはペンです。カタカナとひらがな、ガギグゲゴ", "ﾊﾝｶｸ ｶﾀｶﾅ", "人々は〆切と〇を", "대한민국 서울특별시 2호선", "สวัสดีครับ ภาษาไทย ๑๒๓",
    "हिन्दी में लिखा हुआ पाठ", "العَرَبِيَّة ١٢٣ سلام", "שָׁלוֹם עולם", "Tiếng Việt có dấu", "\U00020000\U0002a6d6字\U000e0100𠮷野家", "😀 smile 🎉 party❤️",
    "a\u0301\u0327b", "ﾞ", "ＡＢＣ　ｄｅｆ１２３", "line\r\nbreak\ttab\u2028sep\u00a0nbsp", "“quoted” — dashed… «guillemets»", "C++ & C# at 100% = $5 + €3",
    "https://example.com/a_b?c=d#e", "\ufb01", "ǅ Ǆ ǆ", "Ậ ậ", "ʼn ŉ", "Ωmega ≠ Ω", "\uf900\u8c48", "ລາວ မြန်မာ ខ្មែរ", "ㄅㄆㄇ 注音", "",
]
UNSPACED = [(0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3005, 0x3007), (0x3040, 0x318F), (0x31A0, 0x31FF),
            (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0xFF66, 0xFF9F), (0x20000, 0x3FFFF)]


def words(text):
    folded = unicodedata.normalize("NFD", text.lower())
    folded = "".join(c for c in folded if unicodedata.category(c) not in ("Mn", "Me", "Cf"))
    folded = unicodedata.normalize("NFC", folded)  # Hangul is one character again
    found, word = [], ""
    for char in folded + " ":
        kind = unicodedata.category(char)
        if kind[0] == "N":
            char = "0"
        elif kind[0] != "L" and kind != "Mc":
            char = " "
        if any(a <= ord(char) <= b for a, b in UNSPACED):
            found += ([word] if word else []) + [char]
            word = ""
        elif char == " ":
            found += [word] if word else []
            word = ""
        elif not (char == "0" and word.endswith("0")):
            word += char
    return found


cases = [{"text": text, "words": words(text)} for text in TEXTS]
out = pathlib.Path(__file__).with_name("words.json")
versions = {"python": sys.version.split()[0], "unicode": unicodedata.unidata_version}
out.write_text(json.dumps({**versions, "cases": cases}, ensure_ascii=False, indent=1) + "\n")
