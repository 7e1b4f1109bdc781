"""Text for the fixtures: sentences written for this project, random text over many scripts, and long runs."""
import random

ENGLISH = """The customer asked why the card payment didn't go through; we'll look into it, she said.
I've lost my card and I'm abroad. Can you block it, please? They're asking for my PIN again!
Transfers made before 16:30 usually arrive the same day, but weekends don't count.
It's 3.50% a year, i.e. 12345678 basis points over 1,000,000 accounts (don't quote me).
"WE'LL CALL YOU BACK", they'd promised -- and they DID, at 07:15 on 2024-02-29.
Naïve café owners résumé their coöperation; the façade cost €1.299,00 or £999 or ¥150000.
If the app shows "pending", wait; if it shows 'declined', call us: +44 20 7946 0000 or help@example.com.
Take one tablet twice a day with food. Don't drink alcohol. See a doctor if fever lasts > 48h."""
CHINESE = """我的银行卡被吞了，请问怎么办？客服说需要三到五个工作日。
转账失败了！错误代码：E1001，金额是￥12,345.67元。
请问您最近有没有发烧、咳嗽或者头痛的症状？如果体温超过38.5℃，请及时就医。
手机银行App登录不上，提示“密码错误次数过多”，请稍后再试……
每日两次，每次一片，饭后服用。孕妇禁用。
繁體中文也要測試：帳戶餘額不足，無法完成交易。日本語のテキストと한국어 문장도 있습니다。"""
CODE = """def transfer(self, amount: float, to_account: str) -> bool:
    if amount <= 0:
        raise ValueError(f"bad amount {amount!r}")
\tfor i in range(1000):\n\t\tx[i] += y[i]**2  # don't\n
const total = items.reduce((sum, { price, qty }) => sum + price * qty, 0);\r\n\r\nexport default class Foo<T> extends Bar {}
SELECT id, name FROM users WHERE balance >= 1000 AND name LIKE '%smith%' ORDER BY id DESC;
{"a": [1, 2, 3.14159e-10], "b": null, "c": "\\u4e2d\\n"}  <div class="x">&nbsp;</div>
    return (a && b) || !c ? 0xdeadBEEF : ~0b1010;    //////////////////// ====== ------"""
EMOJI = """Great job 👍🏽!!! 😂😂😂 see you 🇨🇳🇺🇸🏴󠁧󠁢󠁥󠁮󠁧󠁿 👨‍👩‍👧‍👦 family ❤️‍🔥 ✨ ok☺️ 1️⃣2️⃣3️⃣ 𝒳𝟙𝟚 𠮷野家 🫠"""
LISTS = {"english": ENGLISH, "chinese": CHINESE, "code": CODE, "emoji": EMOJI}

# Ranges that split patterns, case folding, normalization and UTF-8 lengths find difficult.
RANGES = [(0x20, 0x7E), (0x20, 0x7E), (0x61, 0x7A), (0x30, 0x39), (9, 13), (0x80, 0x24F), (0x300, 0x36F), (0x370, 0x5FF),
          (0x600, 0x6FF), (0x900, 0x97F), (0xE00, 0xE7F), (0x1100, 0x11FF), (0x1E00, 0x1FFF), (0x2000, 0x20CF), (0x2150, 0x218F),
          (0x2460, 0x24FF), (0x3000, 0x30FF), (0x4E00, 0x4FFF), (0xAC00, 0xAD00), (0xE000, 0xE010), (0xFB00, 0xFB4F), (0xFE00, 0xFEFF),
          (0xFF00, 0xFFFF), (0x10000, 0x100FF), (0x1D400, 0x1D7FF), (0x1F300, 0x1F6FF), (0x20000, 0x20100), (0xE0000, 0xE007F), (0x10FF00, 0x10FFFF)]
AWKWARD = ["'s", "'S", "'ll", "'LL", "'lL", "'re", "'RE", "'ve", "'m", "'d", "'ſ", "''", "'", " '", "\u0085", "\u00a0", "\ufeff", "\u200b", "\u2028", "\u3000",
           "\r\n", "\n\n", " \n ", "\t", "   ", " ", "  ", "  x", "\n x", "123", "1234567", "٣٤٥", "Ⅷ", "½", "e\u0301", "é", "Å", "\u212b", "ﬁ", "K",
           "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|im_end", "<tool>", " <tool> ", "word", "words", "[MASK]", "\x00", "\x1f", "ſt", "ß", "İ", "\ufffd"]


def fuzz(rng):
    out = []
    for _ in range(rng.randint(1, 24)):
        if rng.random() < 0.35:
            out.append(rng.choice(AWKWARD))
        else:
            low, high = rng.choice(RANGES)
            out.append("".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 6))))
    return "".join(out)


def texts():
    lines = [line for block in LISTS.values() for line in block.split("\n")] + list(LISTS.values())
    runs = ["a" * 300, "ab" * 200, " " * 257, "\n" * 100, "=" * 500, "中" * 200, "0" * 100, "é" * 99, "😂" * 90, " \n" * 60, "the" * 120, "'s" * 40, "x" * 64, "x" * 65, "x" * 40, "x" * 41]
    rng = random.Random(20)
    return ["", " ", "\n", "a"] + lines + runs + AWKWARD + [fuzz(rng) for _ in range(240)]


def zipf(rng, words, n):
    return " ".join(words[min(int(rng.paretovariate(0.8)) - 1, len(words) - 1)] for _ in range(n))


def training():
    """A few thousand words with many ties: the sentences, and words drawn by Zipf's law from them."""
    rng = random.Random(3)
    out = []
    for name, block in LISTS.items():
        words = block.split()
        rng.shuffle(words)
        out += block.split("\n") + [zipf(rng, words, 40) for _ in range(20 if name != "emoji" else 5)]
    return out + ["aaaa aaaaaaa aaa aa a bananana abababab ab" for _ in range(3)]
