"""Decisions and values of the published filters on the documents of documents.py.

    python decisions.py [version of datatrove, where it is not an installed package]

Writes decisions.json.gz beside this script, with versions. The rules are computed here from their papers, word by word
and string by string; words and sentences are spaCy's (`spacy.blank("en")` with its sentencizer), as in datatrove. Where
datatrove can be imported, its own filters are run on the English documents, too, and must decide the same; whether they
did stands in the file. Needs spaCy and numpy.
"""

import gzip
import importlib.metadata
import json
import pathlib
import random
import re
import sys
import unicodedata

import spacy

import documents

HERE = pathlib.Path(__file__).parent
HAN_PER_WORD = 1.6
INFINITY = float("inf")
nlp = spacy.blank("en")
nlp.add_pipe("sentencizer")
nlp.max_length = 10**8

STERM = set(nlp.get_pipe("sentencizer").punct_chars)


def is_han(c):
    name = unicodedata.name(c, "")
    return name.startswith(("CJK UNIFIED", "CJK COMPATIBILITY IDEOGRAPH")) or c in "々〇"


def is_alone(c):
    """Han, kana, CJK marks and full-width marks: words of Chinese text by themselves."""
    code = ord(c)
    if is_han(c) or 0x3001 <= code <= 0x303F:
        return True
    full_width = 0xFF01 <= code <= 0xFF0F or 0xFF1A <= code <= 0xFF20 or 0xFF3B <= code <= 0xFF40 or 0xFF5B <= code <= 0xFF65
    return full_width or unicodedata.name(c, "").startswith(("HIRAGANA", "KATAKANA"))


def english_words(text):
    return [t.text.strip() for t in nlp(text) if t.text.strip()]


def words_of(text, chinese):
    if not chinese:
        return english_words(text)
    words = []
    between = ""
    for c in text + " ":
        if not is_alone(c) and not c.isspace():
            between += c
            continue
        if between:
            words += english_words(between)
            between = ""
        if is_alone(c):
            words.append(c)
    return words


def count_words(words, chinese):
    if not chinese:
        return len(words)
    han = sum(len(w) == 1 and is_han(w) for w in words)
    return han / HAN_PER_WORD + (len(words) - han)


PUNCTUATION = set("!/—”:％１〈&(、━\\【#%「」，】；+^]~“《„';’{|∶´[=-`*．（–？！：$～«〉,><》)?）。…@_.\"}►»")


def is_symbol(c):
    code = ord(c)
    return c in PUNCTUATION or c in STERM or (code < 32 and c not in "\t\n") or 127 <= code < 160


def gopher_quality(text, chinese):
    words = words_of(text, chinese)
    count = max(1, count_words(words, chinese))
    plain = [w for w in words if any(not is_symbol(c) for c in w)]
    plain_count = count_words(plain, chinese)
    lettered = [w for w in words if any(c.isalpha() for c in w)]
    lines = text.splitlines()
    stops = "the be to of and that have with".split()
    ellipses = text.count("...") + text.count("…")
    bullets, ends = ("•", "-"), ("...", "…")
    if chinese:
        ellipses = len(re.findall(r"…+|\.{3,}|。{3,}", text))
        bullets, ends = tuple("•-·●○■□◆◇▪－—"), ("...", "…", "。。。")
        stop_count = sum(any(c in words for c in group) for group in ["的", "了", "是", "在", "和与與", "有", "不", "这這"])
    else:
        stop_count = sum(w in words for w in stops)
    length = sum(len(w) for w in plain) / len(plain) if plain else None
    yield "min_doc_words", plain_count, "<", 50
    yield "max_doc_words", plain_count, ">", 100000
    if not chinese and length is not None:
        yield "min_avg_word_length", length, "<", 3
        yield "max_avg_word_length", length, ">", 10
    yield "max_symbol_word_ratio", text.count("#") / count, ">", 0.1
    yield "max_symbol_word_ratio", ellipses / count, ">", 0.1
    yield "max_bullet_lines_ratio", sum(l.lstrip().startswith(bullets) for l in lines) / max(1, len(lines)), ">", 0.9
    yield "max_ellipsis_lines_ratio", sum(l.rstrip().endswith(ends) for l in lines) / max(1, len(lines)), ">", 0.3
    of = max(1, plain_count) if chinese else count
    yield "min_alpha_words_ratio", count_words(lettered, chinese) / of, "<", 0.8
    yield "min_stop_words", stop_count, "<", 2


def duplicates(parts):
    seen, count, characters = set(), 0, 0
    for part in parts:
        if part in seen:
            count += 1
            characters += len(part)
        seen.add(part)
    return count, characters


def gopher_repetition(text, chinese):
    for kind, parts in (("para", re.split(r"\n{2,}", text.strip())), ("line", re.split(r"\n+", text))):
        count, characters = duplicates(parts)
        yield f"dup_{kind}_frac", count / len(parts), ">", 0.3
        yield f"dup_{kind}_char_frac", characters / len(text), ">", 0.2
    words = words_of(text, chinese)
    size = lambda n: round(n * HAN_PER_WORD) if chinese else n
    for n, limit in ((2, 0.2), (3, 0.18), (4, 0.16)):
        grams = [tuple(words[i : i + size(n)]) for i in range(len(words) - size(n) + 1)]
        if grams:
            counts = {}
            for gram in grams:
                counts[gram] = counts.get(gram, 0) + 1
            most = max(counts.values())
            first = next(gram for gram in grams if counts[gram] == most)
            yield f"top_n_grams.{n}", most * len(("" if chinese else " ").join(first)) / len(text), ">", limit
    for n, limit in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.1)):
        seen, characters, i = set(), 0, 0
        while i + size(n) <= len(words):
            gram = "".join(words[i : i + size(n)])
            if gram in seen:
                characters += len(gram)
                i += size(n)
            else:
                seen.add(gram)
                i += 1
        if len(words) >= size(n):
            yield f"dup_n_grams.{n}", characters / len(text), ">", limit


POLICIES = ["terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies"]
POLICIES_ZH = "使用条款 服务条款 用户协议 隐私政策 隐私权政策 隐私声明 cookie政策 使用cookie 使用條款 服務條款 使用者協議 隱私政策 隱私權政策 隱私聲明".split()


def sentences_of(line, chinese):
    if not chinese:
        return len([s for s in nlp(line).sents if s.text.strip()])
    parts = re.split(r"[。！？!?…]+[”’」』）)\"']*|\.(?=\s|$)", line)
    return sum(any(c.isalnum() for c in part) for part in parts)


def c4(text, chinese):
    """The values of the rules on the whole text, in the order met, and what is left of it."""
    kept, sentences = [], 0
    for line in text.splitlines():
        line = line.strip()
        words = line.split()
        if chinese:
            words = [run for run in re.split("|".join(map(re.escape, sorted(set(filter(is_alone, line))))) + r"|\s+", line) if run] if any(map(is_alone, line)) else words
        count = len(words) + sum(map(is_han, line)) / HAN_PER_WORD if chinese else len(words)
        if any(len(w) > 1000 for w in words):
            continue
        line = re.sub(r"\[\d*]|\[edit]|\[citation needed]", "", line)
        ends = (".", "?", "!", '"', "'") + (("。", "！", "？", "”", "’", "」", "』", "。）", "！）", "？）") if chinese else ())
        if not line.endswith(ends) or line.endswith(("...", "…", "。。。") if chinese else "..."):
            continue
        if count < 3:
            continue
        lower = line.lower()
        if "lorem ipsum" in lower:
            return [("lorem_ipsum", "lorem ipsum")], text
        if "javascript" in lower:
            continue
        if "{" in line:
            return [("curly_bracket", "{")], text
        if any(p in lower for p in POLICIES + (POLICIES_ZH + ["cookie 政策", "使用 cookie"] if chinese else [])):
            continue
        sentences += sentences_of(line, chinese)
        kept.append(line)
    left = "\n".join(kept).strip()
    return ([("min_num_sentences", sentences)] if sentences < 5 else []), left


def fineweb(text, chinese):
    lines = [line for line in text.split("\n") if line.strip()]
    if not lines:
        yield "line_punct_thr", 0, "<", INFINITY
        return

    def ended(line):
        if not chinese:
            return line[-1] in DATATROVE_ENDS
        line = line.rstrip("”’」』）\"'")
        return line != "" and (line[-1] in DATATROVE_ENDS or line[-1] == "…")

    def size(line):
        wide = lambda c: is_alone(c) or c == "\u3000" or "HANGUL" in unicodedata.name(c, "")
        return sum(2 if chinese and wide(c) else 1 for c in line)

    yield "line_punct_thr", sum(map(ended, lines)) / len(lines), "<", 0.12
    yield "short_line_thr", sum(size(line) <= 30 for line in lines) / len(lines), ">", 0.67
    yield "char_duplicates_ratio", duplicates(lines)[1] / len(text.replace("\n", "")), ">", 0.01
    yield "new_line_ratio", text.count("\n") / count_words(words_of(text, chinese), chinese), ">", 0.3


# The FineWeb pipeline ends lines with three Khmer marks beside spaCy's ends of sentences.
DATATROVE_ENDS = STERM | set("\u17d6\u17d9\u17da\u061d\u061e\u06d4")


def judge(text, chinese):
    """By filter: the rule that drops the text (or none), with its value; every value; and what C4 leaves."""
    result = {}
    for name, rules in (("gopher_repetition", gopher_repetition), ("gopher_quality", gopher_quality), ("fineweb", fineweb)):
        drop, values = None, {}
        for rule, value, sign, limit in rules(text, chinese):
            # Hashes and ellipses share a rule; the first that there are any of is what a limit of 0 would meet.
            values[rule] = values.get(rule) or value
            if drop is None and (value < limit if sign == "<" else value > limit):
                drop = [rule, value]
        result[name] = {"drop": drop, "values": values}
    drops, left = c4(text, chinese)
    result["c4"] = {"drop": list(drops[0]) if drops else None, "text": left if not drops else None}
    return result


def choose(families, chinese):
    """Of each family the two neighbours of which one is dropped by its rule and one is not."""
    for name, filter_name, rule, ks, make in families:
        before = None
        for k in ks:
            text = make(random.Random(f"{name}"), k)
            drop = judge(text, chinese)[filter_name]["drop"]
            hit = drop is not None and drop[0] == rule
            if before is not None and before[1] != hit:
                for k_, hit_, text_ in (before, (k, hit, text)):
                    yield f"{name} {k_}: {'dropped by' if hit_ else 'passed by'} {rule}", text_
                break
            before = (k, hit, text)
        else:
            raise SystemExit(f"{name}: {rule} never changes its mind")


REASONS = {
    "gopher_short_doc": "min_doc_words", "gopher_long_doc": "max_doc_words", "gopher_enough_stop_words": "min_stop_words",
    "gopher_below_avg_threshold": "min_avg_word_length", "gopher_above_avg_threshold": "max_avg_word_length",
    "gopher_too_many_hashes": "max_symbol_word_ratio", "gopher_too_many_ellipsis": "max_symbol_word_ratio",
    "gopher_too_many_bullets": "max_bullet_lines_ratio", "gopher_too_many_end_ellipsis": "max_ellipsis_lines_ratio",
    "gopher_below_alpha_threshold": "min_alpha_words_ratio", "too_few_sentences": "min_num_sentences",
    "line_punct_ratio": "line_punct_thr", "empty": "line_punct_thr", "short_line_ratio": "short_line_thr",
    "char_dup_ratio": "char_duplicates_ratio", "list_ratio": "new_line_ratio",
}


def check_with_datatrove(documents):
    """Runs datatrove's own filters where they can be had; says what was run."""
    try:
        from datatrove.data import Document
        from datatrove.pipeline.filters.c4_filters import C4QualityFilter
        from datatrove.pipeline.filters.fineweb_quality_filter import FineWebQualityFilter
        from datatrove.pipeline.filters.gopher_quality_filter import GopherQualityFilter
        from datatrove.pipeline.filters.gopher_repetition_filter import GopherRepetitionFilter
    except ImportError:
        return None
    filters = {
        "gopher_repetition": GopherRepetitionFilter(), "gopher_quality": GopherQualityFilter(),
        "c4": C4QualityFilter(), "fineweb": FineWebQualityFilter(),
    }
    for doc in documents:
        for name, filter_ in filters.items():
            theirs = Document(text=doc["text"], id="0")
            verdict = filter_.filter(theirs)
            reason = None if verdict is True else REASONS.get(verdict[1], verdict[1])
            if reason is not None:
                reason = re.sub(r"top_(\d)_gram", r"top_n_grams.\1", reason)
                reason = re.sub(r"duplicated_(\d+)_n_grams", r"dup_n_grams.\1", reason)
            ours = doc["filters"][name]["drop"]
            assert reason == (ours and ours[0]), (doc["name"], name, reason, ours)
            if name == "c4" and reason is None:
                assert theirs.text == doc["filters"]["c4"]["text"], doc["name"]
    return sys.argv[1] if len(sys.argv) > 1 else importlib.metadata.version("datatrove")


def main():
    rng = random.Random(7)
    english = [*choose(documents.english_families(), False), *documents.english_special(rng)]
    english += documents.english_pages(rng, 200 - len(english))
    chinese = [*choose(documents.chinese_families(), True), *documents.chinese_special(rng)]
    result = []
    for language, named in (("en", english), ("zh", chinese)):
        for name, text in named:
            result.append({"name": name, "language": language, "text": text, "filters": judge(text, language == "zh")})
    versions = {"spacy": spacy.__version__, "unicode": unicodedata.unidata_version}
    versions["datatrove"] = check_with_datatrove([doc for doc in result if doc["language"] == "en"])
    print(versions, len(english), len(chinese))
    data = json.dumps({"versions": versions, "documents": result}, ensure_ascii=False).encode()
    (HERE / "decisions.json.gz").write_bytes(gzip.compress(data, 9, mtime=0))


main()
