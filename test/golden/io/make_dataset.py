"""Writes the dataset fixture that test/io/arrow.test.ts reads, and checks a dataset that llmkit wrote.

    python make_dataset.py           # writes hf-dataset/ beside this script
    python make_dataset.py check D   # opens D with datasets.load_from_disk and prints what it finds as JSON
"""

import json
import pathlib
import shutil
import sys

import datasets
import pyarrow

HERE = pathlib.Path(__file__).parent


def rows():
    return {
        "input_ids": [[i, i + 1, -100][: i % 4] for i in range(25)],
        "wide": [[i * 2, 7] for i in range(25)],
        "text": [f"row {i} é 中文 😀" if i % 5 else "" for i in range(25)],
        "n": [i * 2**40 for i in range(25)],
        "maybe": [None if i % 3 == 0 else i for i in range(25)],
    }


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "check":
        loaded = datasets.load_from_disk(sys.argv[2])
        splits = loaded if isinstance(loaded, datasets.DatasetDict) else {"": loaded}
        out = {}
        for name, split in splits.items():
            out[name] = {"rows": len(split), "features": {k: repr(v) for k, v in split.features.items()}}
            out[name]["first"] = {k: v[:8] if isinstance(v, list) else v for k, v in split[0].items()} if len(split) else None
            out[name]["tokens"] = sum(len(r) for r in split["input_ids"]) if "input_ids" in split.features else None
        print(json.dumps(out, ensure_ascii=False, indent=1))
        return
    feature = {
        "input_ids": datasets.List(datasets.Value("int32")),
        "wide": datasets.List(datasets.Value("int64")),
        "text": datasets.Value("string"),
        "n": datasets.Value("int64"),
        "maybe": datasets.Value("int32"),
    }
    target = HERE / "hf-dataset"
    shutil.rmtree(target, ignore_errors=True)
    data = datasets.Dataset.from_dict(rows(), features=datasets.Features(feature))
    datasets.DatasetDict({"train": data, "validation": data.select([3])}).save_to_disk(target, num_shards={"train": 2, "validation": 1})
    versions = {"datasets": datasets.__version__, "pyarrow": pyarrow.__version__}
    (HERE / "hf-dataset.json").write_text(json.dumps({"versions": versions, "rows": rows()}, ensure_ascii=False) + "\n")


main()
