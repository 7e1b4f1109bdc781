"""Files as pyarrow, datasets and zstd write them, for the readers. Run from this folder: python make_readers.py"""

import json
import shutil

import datasets
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as parquet

CALL = {"type": "function", "function": {"name": "weather", "arguments": '{"city": "北京"}'}}
ROWS = [
    {
        "id": 2**40 + i,
        "text": f"row {i} é 中文 😀",
        "score": i / 4,
        "messages": [
            {"role": "user", "content": f"question {i}", "weight": None, "tool_calls": None},
            {"role": "assistant", "content": None, "weight": i % 2, "tool_calls": [CALL]},
        ],
        "gone": None,
    }
    for i in range(5)
]
TABLE = pa.Table.from_pylist(ROWS)
LABELS = pa.table({"label": pa.array(["a", "b", "a", None, "b"]).dictionary_encode(), "big": pa.array(list("vwxyz"), pa.large_string())})


def main() -> None:
    with pa.OSFile("stream.arrow", "wb") as sink, pa.ipc.new_stream(sink, TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=2)
    with pa.OSFile("file.arrow", "wb") as sink, pa.ipc.new_file(sink, TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=2)
    with pa.OSFile("labels.arrow", "wb") as sink, pa.ipc.new_file(sink, LABELS.schema) as writer:
        writer.write_table(LABELS)
    feather.write_feather(TABLE, "zstd.feather", compression="zstd")
    feather.write_feather(TABLE, "lz4.feather", compression="lz4")
    twice = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    with pa.OSFile("twice.arrow", "wb") as sink, pa.ipc.new_file(sink, twice.schema) as writer:
        writer.write_table(twice)
    parquet.write_table(TABLE, "table.parquet")
    parquet.write_table(twice, "twice.parquet")

    shutil.rmtree("saved", ignore_errors=True)
    dataset = datasets.Dataset.from_list([{"text": f"saved {i}"} for i in range(4)])
    dataset.save_to_disk("saved", num_shards=2)

    lines = "".join(json.dumps({"text": f"line {i} 中文 " + "x" * (i * 37 % 400)}, ensure_ascii=False) + "\n" for i in range(3000))
    half = len(lines) // 2
    # Two frames, as tools that compress in parallel write them.
    with open("two-frames.jsonl.zst", "wb") as out:
        for part in (lines[:half], lines[half:]):
            buffer = pa.BufferOutputStream()
            with pa.CompressedOutputStream(buffer, "zstd") as packed:
                packed.write(part.encode())
            out.write(buffer.getvalue().to_pybytes())
    # Thirty megabytes of one letter in a few kilobytes.
    with pa.OSFile("run.txt.zst", "wb") as sink, pa.CompressedOutputStream(sink, "zstd") as packed:
        for _ in range(30):
            packed.write(b"a" * 10**6)
        packed.write(b"\nend\n")
    with open("versions.json", "w") as out:
        json.dump({"pyarrow": pa.__version__, "datasets": datasets.__version__}, out)
        out.write("\n")


if __name__ == "__main__":
    main()
