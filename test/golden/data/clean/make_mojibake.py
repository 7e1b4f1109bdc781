"""Strings, right and damaged, with what ftfy makes of them.

    python make_mojibake.py

Writes mojibake.json beside this script: for each case its kind, the text as found, the text as it was written (null where
what was lost cannot be known), and ftfy.fix_encoding's answer.
"""

import json
import pathlib

import ftfy
import ftfy.bad_codecs  # noqa: F401  registers sloppy-windows-1252

HERE = pathlib.Path(__file__).parent

# Written for this fixture.
SENTENCES = [
    "Le café était fermé à cause de la grève, déjà la troisième.",
    "L’été dernier, nous étions à Nîmes — quelle chaleur !",
    "Où est passée la clé ? Je l’ai laissée là-bas, près du hêtre.",
    "Die Straße nach Köln führt über drei Brücken.",
    "Größe, Maß und Übermut: „Schönes Wetter heute“, sagte er.",
    "Äpfel, Öl und Überraschungen gibt’s im Süden.",
    "El niño pequeño comió piñas mañana y tarde.",
    "¿Cuándo llegará el camión? ¡Mañana, según parece!",
    "A informação não está disponível; tente amanhã às três.",
    "Coração, pão, mãe e irmãos vão à praça.",
    "Perché così? È già più tardi di quanto pensassi.",
    "Smörgåsbord på svenska är något alldeles särskilt.",
    "Blåbærsyltetøy på norsk smager også på dansk.",
    "Hyvää päivää, mitä kuuluu tänään?",
    "Þetta er íslenskt mál með sérhljóðum: á, é, í, ó, ú, ý, æ, ö.",
    "Żółty łoś zjadł gęś, więc źle śpi.",
    "Příliš žluťoučký kůň úpěl ďábelské ódy.",
    "Árvíztűrő tükörfúrógép és őszibarack.",
    "Işıklı şehirde çocuklar öğle güneşinde gülüyor.",
    "Căpșuni și înghețată pentru țară și mâine.",
    "Привет, как дела? Сегодня хорошая погода.",
    "Банк закрыт до понедельника, приходите завтра.",
    "Українська мова має літери ї, є та ґ.",
    "Καλημέρα, τι κάνετε σήμερα;",
    "שלום, מה שלומך היום?",
    "مرحبا، كيف حالك اليوم؟",
    "नमस्ते, आप कैसे हैं?",
    "สวัสดีครับ วันนี้อากาศดี",
    "你好，请问银行几点开门？",
    "我的卡被锁了，怎么办？请尽快回复。",
    "中文字符应该正确显示，而不是乱码。",
    "これは日本語の文章です。文字化けしていません。",
    "カードが使えなくなりました。",
    "안녕하세요, 오늘 날씨가 좋네요.",
    "Tiếng Việt có nhiều dấu: ặ, ế, ộ, ữ.",
    "“Quoted,” she said — it’s ‘fine’…",
    "Price: £20, €15 or ¥300 (±5 %).",
    "½ cup of sugar at 180 °C, 2 × 3 = 6",
    "Trademarks™, registered® and © signs, § 5 • bullet",
    "Smile 😀 and a rocket 🚀, thumbs 👍🏽",
    "Arrows → and ≤ signs, check ✓ and star ★",
    "naïve coöperation, résumé, façade, Zoë",
    "Señor Muñoz & Frau Müller — coût: 5 €",
    "Ångström and Çelik, Łódź and Örebro",
]

# Right as they stand, each a trap: characters side by side that could be bytes of UTF-8.
TRAPS = [
    "«\u00a0C’était l’été\u00a0»",
    "Il a dit «\u00a0oui, répété\u00a0» hier.",
    "Elle a hésité…”",
    "un café»…",
    "payé\u00a0£5 à l’entrée",
    "NESCAFÉ®",
    "NESCAFÉ™ Gold",
    "„Ä“ ist ein Umlaut, „Ö“ auch.",
    "Der Buchstabe „Ü“ und das „ß“.",
    "AMANHÃ” dizia o cartaz, e “IRMÔ também.",
    "“Ã” é uma letra.",
    "Ä–Ö–Ü",
    "É–È–Ê",
    "TOMÁŠ A LUKÁŠ, KŘÍŽ",
    "„píš…“ řekl, „jíž“",
    "2×½ = 1 und 3×¾",
    "1.54 Å±0.02",
    "Ø½″ pipe",
    "Spaß…",
    "HALF PRICE À LA CARTE…",
    "São Paulo à noite",
    "L'œuvre à œil nu",
    "Köln–Düsseldorf",
    "10 µm ± 2 µm, 20 °C",
    "été²",
    "Ma\u00adß\u00adnah\u00adme, KÖ\u00adNIG",
    "C’EST L’ÉTÉ»",
    "OLÉ!», dijo. «OLÉ¡»",
    "José’s café’s menu",
    "MÜNCHEN—KÖLN",
    "Zażółć gęślą jaźń”",
    "Ça va très bien… à bientôt",
    "中文“引号”和——破折号……都对",
    "产业链条的涓涓细流",
    "價格：NT$1,200（含稅）",
    "日本語「かぎ括弧」",
    "Ελληνικά «εισαγωγικά»",
    "Русские «ёлочки» и „лапки“",
    "plain ASCII only, nothing to do",
    "emoji 👩‍👩‍👧 with joiners",
    "ÀÈÌÒÙ àèìòù ÃÕÑ ãõñ",
    "ÞÆÐ þæð",
    "À bientôt, señor Ñandú",
    "Élan; Œuvre; Ÿ",
]

# Damaged in ways that lose something, or that are mixed with right text.
PARTLY = [
    ("caf\u00c3\u00a9 and café", "café and café"),
    ("He said â€œhelloâ€ to me", "He said “hello” to me"),
    ("voilÃ\u0020 une idÃ©e", "voilà une idée"),
    ("voilÃ\u0020 une idÃ©e, été", None),
    ("\x93quoted\x94 and it\x92s fine", "“quoted” and it’s fine"),
    ("It\u00e2\u20ac\u2122s 5 \u20ac — really", "It’s 5 € — really"),
    ("Â\u00a0Indented", "\u00a0Indented"),
    ("100Â°C", "100°C"),
    ("Â© 2020 Example", "© 2020 Example"),
    ("Ã¼ber", "über"),
    ("Ãœbung", "Übung"),
    ("bÅ‚Ä…d", "błąd"),
    ("eÌ\x81teÌ\x81", "e\u0301te\u0301"),
    ("doneâ€¦", "done…"),
    ("1 â€“ 2", "1 – 2"),
    ("â‚¬5", "€5"),
    ("ï»¿BOM first", "\ufeffBOM first"),
    ("lost \ufffd here, cafÃ©", "lost \ufffd here, café"),
    ("smile ðŸ˜€!", "smile 😀!"),
    ("line\x85next", None),
    ("Ã¢â‚¬Å“twiceÃ¢â‚¬\x9d", "“twice”"),
]

GBK = ["你好，请问银行几点开门？", "中文字符应该正确显示，而不是乱码。", "我的卡被锁了，怎么办？请尽快回复。", "请您到最近的网点办理。", "今天天气很好。"]


def read_as(text, *encodings):
    for encoding in encodings:
        text = text.encode("utf-8").decode(encoding)
    return text


def main():
    cases = []

    def add(kind, text, original):
        cases.append({"kind": kind, "text": text, "original": original, "ftfy": ftfy.fix_encoding(text)})

    for text in SENTENCES:
        add("right", text, text)
    for text in TRAPS:
        add("trap", text, text)
    for text in SENTENCES:
        add("cp1252", read_as(text, "sloppy-windows-1252"), text)
    for text in SENTENCES[::2]:
        add("latin-1", read_as(text, "latin-1"), text)
    for text in SENTENCES[1::3]:
        add("cp1252 twice", read_as(text, "sloppy-windows-1252", "sloppy-windows-1252"), text)
    for text in SENTENCES[2::5]:
        add("cp1252 thrice", read_as(text, *["sloppy-windows-1252"] * 3), text)
    for text, original in PARTLY:
        add("partly", text, original)
    for text in GBK:
        damaged = text.encode("utf-8").decode("gbk", errors="replace")
        add("gbk", damaged, text if "\ufffd" not in damaged else None)
    made = {"made_by": "make_mojibake.py", "ftfy": ftfy.__version__, "cases": cases}
    (HERE / "mojibake.json").write_text(json.dumps(made, ensure_ascii=True, indent=0) + "\n")
    print(len(cases), "cases")


main()
