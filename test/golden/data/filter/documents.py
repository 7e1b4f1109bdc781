"""Documents for the filters: for every rule one that it drops and one that it just lets pass, and pages of many kinds.

All text is made here: words are drawn at random from the lists below and set into sentences.
"""

import random

NOUNS = """harbour engine garden letter market river window teacher bridge village kitchen island planet ticket
mountain library carpet painter signal season village student lantern orchard compass factory blanket cabinet tunnel
basket station pasture captain whistle meadow pocket thunder journey hammer candle mirror harvest turtle saddle
chimney railway pebble feather ladder copper velvet anchor bakery canyon desert pillow rocket shadow timber valley""".split()
VERBS = """carried painted noticed crossed followed repaired measured gathered answered borrowed climbed covered
delivered described entered filled guarded helped imagined joined lifted mended opened planted pushed reached
remembered searched shared signed solved started studied touched visited watched welcomed wondered""".split()
ADJECTIVES = """quiet golden narrow bitter hollow gentle rusty sudden clever distant empty fragile humble joyful
lively modern patient rapid simple steady tender useful violet wooden yellow ancient broken crooked dusty foggy""".split()
ADVERBS = "slowly often barely softly rarely nearly kindly early twice again somehow nowhere almost".split()
NAMES = "Anna Boris Clara Dmitri Elena Farid Greta Hassan Ingrid Jonas Keiko Laszlo Maria Nadia Omar Petra".split()
LONG = """interconnectedness misunderstandings uncharacteristic counterproductive electromagnetism
straightforwardly incomprehensible telecommunication responsibilities institutionalized""".split()
TINY = "it is an ox up on to we go he do in at as by so me my no us".split()

HAN_NOUNS = """城市 河流 学校 老师 火车 花园 窗户 图书 数据 系统 程序 文件 用户 网络 市场 价格 农民 工人 医院 孩子 朋友 音乐 电影
天气 山谷 森林 海洋 岛屿 村庄 道路 桥梁 灯光 桌子 厨房 面包 苹果 牛奶 茶叶 衣服 鞋子 钟表 钥匙 信件 报纸 故事 历史 语言 文字 问题 方法""".split()
HAN_VERBS = """发现 打开 关闭 修理 测量 收集 借用 爬上 描述 进入 守护 帮助 想象 加入 举起 种植 到达 记得 寻找 分享 解决 开始
研究 访问 观看 欢迎 讨论 选择 保存 删除 创建 更新 检查 比较""".split()
HAN_ADJECTIVES = "安静 金色 狭窄 温柔 聪明 遥远 空荡 脆弱 谦虚 活泼 现代 耐心 迅速 简单 稳定 有用 古老 破旧 明亮 寒冷".split()


def sentence(rng, words=None):
    """A sentence; with `words`, of exactly so many."""
    parts = ["The", rng.choice(ADJECTIVES), rng.choice(NOUNS), "of", rng.choice(NAMES), rng.choice(ADVERBS)]
    parts += [rng.choice(VERBS), "the", rng.choice(NOUNS), "and", rng.choice(VERBS), "a", rng.choice(ADJECTIVES)]
    parts += [rng.choice(NOUNS), "with", rng.choice(NAMES)]
    while words is not None and len(parts) < words:
        parts += [rng.choice(["that", "then", "while"]), rng.choice(NAMES), rng.choice(VERBS), "the", rng.choice(NOUNS)]
    return " ".join(parts[:words]) + "."


def paragraph(rng, sentences=4):
    return " ".join(sentence(rng) for _ in range(sentences))


def prose(rng, paragraphs=4, mark="\n"):
    return mark.join(paragraph(rng) for _ in range(paragraphs))


def salad(rng, words):
    """Words in no order, so that no n-gram comes twice; few enough stop words to count, many enough to pass."""
    return [rng.choice(rng.choice([NOUNS, VERBS, ADJECTIVES, ADVERBS, NAMES])) for _ in range(words)]


def spread(rng, phrase, times, between, total):
    """`times` times the phrase, with `between` words between, in `total` words."""
    words = salad(rng, total)
    out = []
    for i in range(times):
        out += words[i * between : (i + 1) * between] + phrase
    out += words[times * between :]
    return " ".join(out) + "."


def mixed(rng, normal, odd, share, total=200):
    """`total` words of which `share` per cent are drawn from `odd`."""
    count = round(total * share / 100)
    words = [rng.choice(odd) for _ in range(count)] + [rng.choice(normal) for _ in range(total - count)]
    rng.shuffle(words)
    return "the and " + " ".join(words)


def lines_of(rng, count, odd, make):
    """`count` lines of which `odd` are made by `make`."""
    lines = [sentence(rng) if i >= odd else make(sentence(rng)) for i in range(count)]
    rng.shuffle(lines)
    return "\n".join(lines)


def repeated(rng, fresh, times, mark, long=False):
    """Different lines, then one line many times over."""
    again = paragraph(rng, 3) if long else "See you."
    return mark.join([sentence(rng) for _ in range(fresh)] + [again] * times)


def english_families():
    """Name, filter, rule, and a function of (rng, k): documents that the rule lets pass until some k, or from some k."""
    quality, repetition, c4, fineweb = "gopher_quality", "gopher_repetition", "c4", "fineweb"
    yield "words", quality, "min_doc_words", range(30, 70), lambda r, k: sentence(r, k)
    yield "short words", quality, "min_avg_word_length", range(40, 101, 2), lambda r, k: mixed(r, NOUNS, TINY, k)
    yield "long words", quality, "max_avg_word_length", range(20, 80, 2), lambda r, k: mixed(r, NOUNS, LONG, k)
    yield "hashes", quality, "max_symbol_word_ratio", range(0, 40), lambda r, k: prose(r, 3) + " " + "#tag " * k
    yield "dots", quality, "max_symbol_word_ratio", range(0, 40), lambda r, k: prose(r, 3) + " well..." * k
    yield "ellipses", quality, "max_symbol_word_ratio", range(0, 40), lambda r, k: prose(r, 3) + " well…" * k
    yield "dashes", quality, "max_bullet_lines_ratio", range(30, 41), lambda r, k: lines_of(r, 40, k, lambda s: "- " + s)
    yield "bullets", quality, "max_bullet_lines_ratio", range(15, 21), lambda r, k: lines_of(r, 20, k, lambda s: "  • " + s)
    yield "dot ends", quality, "max_ellipsis_lines_ratio", range(0, 20), lambda r, k: lines_of(r, 20, k, lambda s: s + ".. ")
    yield "ellipsis ends", quality, "max_ellipsis_lines_ratio", range(0, 20), lambda r, k: lines_of(r, 20, k, lambda s: s[:-1] + "…")
    yield "numbers", quality, "min_alpha_words_ratio", range(0, 60), lambda r, k: prose(r, 3) + " 42" * k
    yield "stop words", quality, "min_stop_words", range(0, 4), lambda r, k: " ".join(salad(r, 80) + ["the", "with", "have"][:k])
    for mark, kind in (("\n\n", "para"), ("\n", "line")):
        yield f"{kind} fraction", repetition, f"dup_{kind}_frac", range(1, 12), lambda r, k, m=mark: repeated(r, 16, k, m)
        yield f"{kind} characters", repetition, f"dup_{kind}_char_frac", range(1, 8), lambda r, k, m=mark: repeated(r, 24, k, m, True)
    for n in (2, 3, 4):
        phrase = ["copper", "turtle", "pillow", "railway"][:n]
        yield f"top {n}", repetition, f"top_n_grams.{n}", range(1, 60), lambda r, k, p=phrase: spread(r, p, k, 5, 400)
    for n in range(5, 11):
        phrase = "the old baker of Lisbon sang to a sleepy crowd".split()[:n]
        yield f"dup {n}", repetition, f"dup_n_grams.{n}", range(1, 40), lambda r, k, p=phrase: spread(r, p, k, 7, 420)
    yield "sentences", c4, "min_num_sentences", range(1, 9), lambda r, k: paragraph(r, k)
    yield "line of words", c4, "min_num_sentences", range(1, 6), lambda r, k: "\n".join(["Come here now."] * k + ["Come here."] * 6)
    yield "lorem", c4, "lorem_ipsum", range(0, 2), lambda r, k: prose(r) + ["", "\nHere stands Lorem Ipsum and no more."][k]
    yield "lorem, not a sentence", c4, "lorem_ipsum", range(0, 2), lambda r, k: prose(r) + "\nlorem ipsum stands here" + ["", "."][k]
    yield "bracket", c4, "curly_bracket", range(0, 2), lambda r, k: prose(r) + ["", "\nHere it is {in braces}."][k]
    yield "bracket in a dropped line", c4, "curly_bracket", range(0, 2), lambda r, k: prose(r) + "\nhere it is {in braces" + ["", "."][k]
    yield "line ends", fineweb, "line_punct_thr", range(0, 30), lambda r, k: "\n".join([sentence(r)] * 0 + [sentence(r) for _ in range(k)] + [sentence(r)[:-1] for _ in range(30)])
    yield "short lines", fineweb, "short_line_thr", range(1, 60), lambda r, k: "\n".join([sentence(r) for _ in range(10)] + [f"{'n' * 25} {i:04d}." for i in range(9)] + [f"{'n' * (22 + i % 3)} {i:04d}." for i in range(k)])
    yield "repeated lines", fineweb, "char_duplicates_ratio", range(0, 20), lambda r, k: "\n".join([prose(r, 4)] + ["So it goes on and on, day by day."] * k)
    yield "newlines", fineweb, "new_line_ratio", range(1, 8), lambda r, k: ("\n" * k).join(" ".join(salad(r, 12)) + "." for _ in range(20))


def english_special(rng):
    """Single documents: ends of the scales and what splits in a way of its own."""
    words = " ".join(salad(rng, 1000))
    yield "100,000 words", " ".join([words] * 100)
    yield "100,001 words", " ".join([words] * 100 + ["meadow"])
    yield "blank", " \n \n"
    yield "one word", "Hello"
    yield "a newline at the end", prose(rng) + "\n\n\n"
    yield "a word of 1000 and one of 1001", "\n".join(
        [f"Look at {'x' * 996}... he said." for _ in range(2)] + [f"Look at {'y' * n} he said." for n in (1000, 1001)]
    ) + "\n" + prose(rng)
    yield "a word of 1000 pairs", f"Look at {'𝒳' * 1000} he said.\n" + prose(rng)
    policies = ["Terms of Use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies", "cookies"]
    yield "policies", prose(rng) + "".join(f"\nHere they speak of the {policy} in force." for policy in policies)
    yield "javascript", prose(rng) + "\nPlease turn on JavaScript in your browser.\n" + sentence(rng)
    yield "citations", prose(rng).replace(". ", ".[12] ") + "\nHistory[edit]\nIt was so.[citation needed]\nIt was not.[]"
    yield "ends of lines", "\n".join(sentence(rng)[:-1] + end for end in [".", "?", "!", '"', "'", ":", "...", "…", ".)", ".”", ". ", "—"])
    yield "all kinds of line ends", sentence(rng) + "\r\n" + sentence(rng) + "\r" + sentence(rng) + "\v" + sentence(rng) + "\u2028" + sentence(rng) + "\x85" + sentence(rng)
    yield "abbreviations", "Dr. Smith and Mr. Jones met at 5 p.m. in the U.S. embassy, e.g. on Jan. 5. They left. J. R. R. Tolkien wrote that. No. 5 is alive! He lives in Washington D.C. with Prof. Ito of the St. John Inc. office, i.e. nearby."
    yield "contractions", "I don't know what they'd've done; it's John's, isn't it? We'll see, they won't, you can't, he cannot. Y'all gonna like it, c'mon, let's go! I’m sure you’ve got it, and she’s gone. The cats’ toys weren't theirs, the '90s were."
    yield "numbers and units", "He ran 5km in 20min, paid $30.50 (about 27€), or 10% of £1,000. At 12:30 it was -5°C. 3+4=7, 2*3 is 6, 10-5. 100kg of rice; 3.14 is pi, 1,000,000 is not. A 5-year-old and the 7am train, page 12a, 2nd floor."
    yield "addresses", "See https://www.example.com/a-b/c?d=e,f or mail to someone@example.org, or www.test.net. The file is at example.com:8080/path/to-file; C:\\dir\\file.txt and /usr/local/bin too. end.Next begins, foo.bar stays."
    yield "hyphens and slashes", "A well-known state-of-the-art and/or mother-in-law -- or so -- question: yes/no/maybe? East–west, north—south, either/or. A~B, a:b, c=d, e<f>g. one,two,three and x,y."
    yield "quotes and brackets", "\"Well,\" he said, 'I (almost) never [sic] {really} do.' “Curly,” ‘single’ «guillemets» and „low“ ones... `code` here; ((nested)), ***bold***, __under__, #hash, @user & co."
    yield "emoji and accents", "Café naïve 😀 Überraschung! I ❤ it 👍👍 – très bien… Ça va? Øre, señor, Žižek, Москва и Киев, Ελλάδα, 東京, 한국어 and עברית. " + prose(rng, 2)
    yield "a table", "| name | size | date |\n|------|------|------|\n" + "\n".join(f"| {n} | {i * 37} | 2024-0{1 + i % 9}-12 |" for i, n in enumerate(NOUNS[:20]))
    yield "code", "def f(x):\n    return {x: [i ** 2 for i in range(x)]}\n\nfor i in range(10):\n    print(f(i), end='\\n')\n" * 4
    yield "a list of links", "\n".join(f"* {n.title()}" for n in NOUNS)
    yield "a poem", "\n".join(" ".join(salad(rng, 5)) + rng.choice([",", ";", ".", ""]) for _ in range(40))
    yield "the same word", "buffalo " * 100
    yield "the same line", "All work and no play makes Jack a dull boy.\n" * 40
    yield "tabs and spaces", "\t".join(salad(rng, 40)) + "  and\u00a0the\u3000end. " + prose(rng, 2)
    yield "symbols", "# ... # !!! ??? *** --- +++ === ~~~ ^^^ &&& %%% $$$ @@@ " * 4 + prose(rng, 2)
    yield "no sentence", " ".join(salad(rng, 300))
    yield "dialogue", "\n".join(f"{rng.choice(NAMES)}: \"{sentence(rng)}\"" for _ in range(20))
    yield "recipe", "Ingredients\n" + "\n".join(f"- {i + 2}00g {n}" for i, n in enumerate(NOUNS[:8])) + "\n\nMethod\n" + prose(rng, 3, "\n\n")


def english_pages(rng, count):
    """Pages put together from pieces: prose, headings, lists, prices, notices, comments, chopped teasers."""
    pieces = [
        lambda: prose(rng, rng.randint(1, 4), rng.choice(["\n", "\n\n"])),
        lambda: " ".join(w.title() for w in salad(rng, rng.randint(1, 5))),
        lambda: "\n".join(f"{rng.choice('-•*')} {' '.join(salad(rng, rng.randint(2, 8)))}" for _ in range(rng.randint(3, 12))),
        lambda: "\n".join(f"{rng.choice(NOUNS).title()} ${rng.randint(1, 99)}.{rng.randint(10, 99)}" for _ in range(rng.randint(2, 9))),
        lambda: rng.choice(["We use cookies to improve this site.", "Read our privacy policy.", "All rights reserved", "Enable JavaScript, please."]),
        lambda: f"{rng.choice(NAMES)} says:\n{sentence(rng)}\nReply\nReport\nShare",
        lambda: sentence(rng)[:-1] + rng.choice(["...", "…", " [more]", " »"]),
        lambda: "\n".join([rng.choice(["Home", "Next", "Menu", "Log in"])] * rng.randint(1, 6)),
        lambda: " ".join(f"{rng.choice(VERBS)} {rng.randint(1, 2000)}" for _ in range(rng.randint(4, 20))),
        lambda: rng.choice(['"Why?" she asked. "Because," said he.', "It costs 5 % more, i.e. $3!", "What's on? Nothing's on."]),
    ]
    for i in range(count):
        mark = rng.choice(["\n", "\n\n", "\n \n"])
        yield f"page {i}", mark.join(rng.choice(pieces)() for _ in range(rng.randint(2, 14)))


def han_sentence(rng, end="。"):
    parts = [rng.choice(HAN_ADJECTIVES), "的", rng.choice(HAN_NOUNS), "在", rng.choice(HAN_NOUNS), rng.choice(HAN_VERBS)]
    parts += ["了", rng.choice(HAN_ADJECTIVES), "的", rng.choice(HAN_NOUNS), "，", "和", rng.choice(HAN_NOUNS)]
    parts += [rng.choice(["一起", "常常", "慢慢", "再次"]), rng.choice(HAN_VERBS), rng.choice(HAN_NOUNS)]
    return "".join(parts) + end


def han_prose(rng, paragraphs=4, sentences=4, mark="\n"):
    return mark.join("".join(han_sentence(rng) for _ in range(sentences)) for _ in range(paragraphs))


def han_salad(rng, words):
    return "".join(rng.choice(rng.choice([HAN_NOUNS, HAN_VERBS, HAN_ADJECTIVES])) for _ in range(words))


def han_spread(rng, phrase, times, between, total):
    return "".join(han_salad(rng, between) + phrase for _ in range(times)) + han_salad(rng, total - times * between) + "。"


def chinese_families():
    quality, repetition, c4, fineweb = "gopher_quality", "gopher_repetition", "c4", "fineweb"
    lines = lambda r, count, odd, make: "\n".join([make(han_sentence(r)) for _ in range(odd)] + [han_sentence(r) for _ in range(count - odd)])
    yield "字数", quality, "min_doc_words", range(25, 50), lambda r, k: han_prose(r, 1, 1) + han_salad(r, k)
    yield "井号", quality, "max_symbol_word_ratio", range(0, 60), lambda r, k: han_prose(r, 3) + "#" * k
    yield "省略号", quality, "max_symbol_word_ratio", range(0, 60), lambda r, k: han_prose(r, 3) + "好……" * k
    yield "句号省略", quality, "max_symbol_word_ratio", range(0, 60), lambda r, k: han_prose(r, 3) + "好。。。" * k
    yield "项目符号", quality, "max_bullet_lines_ratio", range(30, 41), lambda r, k: lines(r, 40, k, lambda s: "● " + s)
    yield "行尾省略", quality, "max_ellipsis_lines_ratio", range(0, 20), lambda r, k: lines(r, 20, k, lambda s: s[:-1] + "……")
    yield "数字", quality, "min_alpha_words_ratio", range(0, 99), lambda r, k: han_prose(r, 3) + " 42" * k
    yield "虚词", quality, "min_stop_words", range(0, 4), lambda r, k: han_salad(r, 80) + "的是了"[:k]
    yield "重复行", repetition, "dup_line_frac", range(1, 12), lambda r, k: "\n".join([han_sentence(r) for _ in range(16)] + ["再见。"] * k)
    yield "重复段", repetition, "dup_para_char_frac", range(1, 12), lambda r, k: "\n\n".join([han_sentence(r) for _ in range(24)] + ["我们明天还会回到这里来看海，然后再一起坐火车回家去吃饭。"] * k)
    for n, phrase in ((2, "龙虾汤"), (3, "蓝鲸跳舞曲"), (4, "蓝鲸跳舞曲谱")):
        yield f"最多 {n}", repetition, f"top_n_grams.{n}", range(1, 90), lambda r, k, p=phrase: han_spread(r, p, k, 4, 480)
    for n, size in ((5, 8), (7, 11), (10, 16)):
        phrase = "老裁缝每逢冬至就给邻居缝三件羊皮袄"[:size]
        yield f"重复 {n}", repetition, f"dup_n_grams.{n}", range(1, 60), lambda r, k, p=phrase: han_spread(r, p, k, 8, 500)
    yield "句数", c4, "min_num_sentences", range(1, 9), lambda r, k: "".join(han_sentence(r, e) for e in ("。？！。……。！？"[:k]))
    yield "短行", c4, "min_num_sentences", range(1, 7), lambda r, k: "\n".join(["我来到这里。"] * k + ["我在这里。"] * 6)
    yield "花括号", c4, "curly_bracket", range(0, 2), lambda r, k: han_prose(r) + ["", "\n这里有一对 {花括号}。"][k]
    yield "行尾", fineweb, "line_punct_thr", range(0, 30), lambda r, k: "\n".join([han_sentence(r, e) for e in ["。", "！", "？”", "……", "。』"] * 6][:k] + [han_sentence(r, "") for _ in range(30)])
    yield "窄行", fineweb, "short_line_thr", range(1, 60), lambda r, k: "\n".join([han_sentence(r) for _ in range(20)] + [han_salad(r, 6) + f"，{i:02d}" for i in range(k)])
    yield "重复字", fineweb, "char_duplicates_ratio", range(0, 20), lambda r, k: "\n".join([han_prose(r)] + ["日子就这样过去了。"] * k)
    yield "换行", fineweb, "new_line_ratio", range(1, 8), lambda r, k: ("\n" * k).join(han_salad(r, 8) + "。" for _ in range(20))


def chinese_special(rng):
    yield "混合", "我们用 TensorFlow 和 PyTorch 训练模型，速度是 3.5 倍。" * 2 + han_prose(rng) + "\n" + paragraph(rng, 1)
    yield "隐私", han_prose(rng) + "\n请阅读我们的隐私政策和使用条款。\n本站使用Cookie。\n請參閱隱私權政策。\n这里讲 javascript 的事情。"
    yield "引号", "\n".join(han_sentence(rng)[:-1] + end for end in ["。", "？", "！", "。”", "……", "。。。", "：", "；", "。）", "」", "...", "."])
    yield "繁體", "這個城市的圖書館在河邊，與學校不遠，有很多學生來這裡讀書。" * 2 + han_prose(rng)
    yield "全角", "ＡＢＣ１２３（全角）「引文」《书名》、顿号；分号：冒号～波浪。" + han_prose(rng)
    yield "長行", han_salad(rng, 700) + "。\n" + "x" * 1001 + "是一个词。\n" + han_prose(rng)
    yield "日本語", "これは日本語の文章です。漢字とかなが混ざっています。学校で先生が話しました。" * 3 + han_prose(rng, 2)
