"""Event files as TensorFlow itself writes them, for test/io/tensorboard.test.ts.

usage: make_tensorboard.py            writes tensorboard.json beside this file
       make_tensorboard.py read FILE  prints what TensorFlow and TensorBoard read from an event file that llmkit wrote
"""

import base64
import json
import os
import sys

import tensorflow as tf
from tensorflow.core.util import event_pb2 as event_proto

here = os.path.dirname(os.path.abspath(__file__))
WALL_TIME = 1_700_000_000.25


def events():
    yield event_proto.Event(wall_time=WALL_TIME, file_version="brain.Event:2")
    scalars = event_proto.Event(wall_time=WALL_TIME, step=1)
    scalars.summary.value.add(tag="train/loss", simple_value=2.5)
    scalars.summary.value.add(tag="train/learning_rate", simple_value=1e-4)
    scalars.summary.value.add(tag="train/zero", simple_value=0.0)
    yield scalars
    restart = event_proto.Event(wall_time=WALL_TIME, step=300)
    restart.session_log.status = event_proto.SessionLog.START
    yield restart
    odd = event_proto.Event(wall_time=WALL_TIME, step=300)
    odd.summary.value.add(tag="train/loss", simple_value=float("inf"))
    yield odd
    text = event_proto.Event(wall_time=WALL_TIME, step=301)
    value = text.summary.value.add(tag="samples/é")
    value.metadata.plugin_data.plugin_name = "text"
    value.tensor.dtype = 7
    value.tensor.tensor_shape.SetInParent()
    value.tensor.string_val.append("été\n".encode())
    yield text


def make():
    path = os.path.join(here, "tensorboard.tmp")
    with tf.io.TFRecordWriter(path) as writer:
        for event in events():
            writer.write(event.SerializeToString(deterministic=True))
    with open(path, "rb") as file:
        data = file.read()
    os.remove(path)
    fixture = {"versions": {"tensorflow": tf.__version__}, "wall_time": WALL_TIME, "bytes": base64.b64encode(data).decode()}
    with open(os.path.join(here, "tensorboard.json"), "w") as file:
        json.dump(fixture, file, indent=2)
        file.write("\n")


def read(path):
    count = 0
    for event in tf.compat.v1.train.summary_iterator(path):
        count += 1
        print(str(event).replace("\n", " "))
    print(f"{count} events read by TensorFlow {tf.__version__}")
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError:
        return
    accumulator = EventAccumulator(os.path.dirname(path)).Reload()
    for tag in accumulator.Tags()["scalars"]:
        print(tag, [(point.step, point.value) for point in accumulator.Scalars(tag)][:5])


read(sys.argv[2]) if sys.argv[1:2] == ["read"] else make()
