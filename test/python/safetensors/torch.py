"""Just enough of safetensors.torch to write a file."""

import json
import struct


def save_file(tensors, path):
    header, data = {}, b""
    for name, tensor in tensors.items():
        packed = struct.pack(f"<{len(tensor.numbers)}{'d' if tensor.dtype == 'F64' else 'f'}", *tensor.numbers)
        header[name] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [len(data), len(data) + len(packed)]}
        data += packed
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)
