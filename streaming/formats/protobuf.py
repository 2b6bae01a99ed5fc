"""A .proto file in; what decodes messages of it to JSON-like values out. Needs the extra `protobuf`.

The registry gives the text of a .proto. protoc itself compiles it, in a process of its own with a time limit: a schema
that takes it down takes nothing else along.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Final

import google.type.money_pb2
import grpc_tools
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from streaming.formats.decoded import Decoder, NotDecodable
from streaming.formats.protobuf_values import Reader
from streaming.formats.registry import Registered, UnusableSchema

PATIENCE: Final = 30.0
"""Seconds to compile a schema; it takes a tenth of one."""

COMPILED: Final = 8 << 20
"""Bytes of a compiled schema with all that it imports."""

MAIN: Final = "schema-of-the-record.proto"

MESSAGES: Final = 10_000
"""Most messages of a schema, nested ones included."""

DEPTH: Final = 32
"""Most numbers that say which message of the schema a record is; protoc nests no deeper."""

BUILT_IN: Final = {
    "confluent/meta.proto": """syntax = "proto3";
package confluent;
import "google/protobuf/descriptor.proto";
message Meta { string doc = 1; map<string, string> params = 2; repeated string tags = 3; }
extend google.protobuf.FileOptions { Meta file_meta = 1088; }
extend google.protobuf.MessageOptions { Meta message_meta = 1088; }
extend google.protobuf.FieldOptions { Meta field_meta = 1088; }
extend google.protobuf.EnumOptions { Meta enum_meta = 1088; }
extend google.protobuf.EnumValueOptions { Meta enum_value_meta = 1088; }
""",
    "confluent/type/decimal.proto": """syntax = "proto3";
package confluent.type;
message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }
""",
}
"""Files that serializers take as known, so that the registry has no reference for them. Those of google/protobuf come
with protoc, those of google/type with googleapis-common-protos."""


def protobuf_decoder(schema: Registered) -> Decoder:
    """Return what decodes the messages of a schema.

    Raises:
        UnusableSchema: It does not compile, or not within bounds.
    """
    pool, main = _loaded(compiled(schema))
    classes: dict[tuple[int, ...], Any] = {}

    def decode(raw: bytes) -> object:
        indexes, start = message_indexes(raw)
        if indexes not in classes:
            descriptor = pool.FindMessageTypeByName(_message(main, indexes))
            classes[indexes] = message_factory.GetMessageClass(descriptor)
        message = classes[indexes]()
        try:
            message.ParseFromString(raw[start:])
            return Reader().value(message)
        except DecodeError as error:
            raise NotDecodable(f"bytes that are no {message.DESCRIPTOR.full_name} ({error})") from error

    return decode


def message_indexes(raw: bytes) -> tuple[tuple[int, ...], int]:
    r"""Which message of the schema a record is, and where its bytes begin.

    The numbers are the place of a message in its file, then of a message within that, and so on, as signed varints
    after their count. A single zero stands for the first message.

    Raises:
        NotDecodable: The record does not begin with such numbers.

    >>> message_indexes(b"\0rest"), message_indexes(b"\4\2\0rest")
    (((0,), 1), ((1, 0), 3))
    """
    count, at = _number(raw, 0)
    if not 0 <= count <= DEPTH:
        raise NotDecodable(f"a message number of {count} parts")
    found = []
    for _ in range(count):
        number, at = _number(raw, at)
        found.append(number)
    return tuple(found) or (0,), at


def _number(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    for place in range(at, min(at + 5, len(raw))):
        value |= (raw[place] & 0x7F) << shift
        shift += 7
        if raw[place] < 0x80:
            return (value >> 1) ^ -(value & 1), place + 1
    raise NotDecodable("no message number at its beginning")


def _message(main: descriptor_pb2.FileDescriptorProto, indexes: tuple[int, ...]) -> str:
    """Full name of the message that the numbers of a record mean."""
    name, messages = str(main.package), list(main.message_type)
    for index in indexes:
        if not 0 <= index < len(messages):
            raise NotDecodable(f"message number {list(indexes)}, which the schema does not have")
        name = f"{name}.{messages[index].name}" if name else messages[index].name
        # protoc makes a message of each map. Serializers number the messages of the text.
        messages = [each for each in messages[index].nested_type if not each.options.map_entry]
    return name


def _loaded(files: descriptor_pb2.FileDescriptorSet) -> tuple[Any, descriptor_pb2.FileDescriptorProto]:
    pool = descriptor_pool.DescriptorPool()
    try:
        for file in files.file:
            pool.AddSerializedFile(file.SerializeToString())
    except (TypeError, ValueError) as error:
        raise UnusableSchema(f"it cannot be loaded: {error}") from error
    main = files.file[-1]
    if not main.message_type:
        raise UnusableSchema("it has no message")
    if sum(1 for file in files.file for message in file.message_type for _ in _within(message)) > MESSAGES:
        raise UnusableSchema(f"it has more than {MESSAGES} messages")
    return pool, main


def _within(message: descriptor_pb2.DescriptorProto) -> Iterator[descriptor_pb2.DescriptorProto]:
    yield message
    for each in message.nested_type:
        yield from _within(each)


def compiled(schema: Registered) -> descriptor_pb2.FileDescriptorSet:
    """Compile a schema and what it imports; its own file is the last. Raises UnusableSchema."""
    with tempfile.TemporaryDirectory(prefix="sluicegate-proto-") as name:
        folder = Path(name)
        texts = {**BUILT_IN, **{_plain(each): text for each, text in schema.named}, MAIN: schema.text}
        for place, text in texts.items():
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / place).write_text(text, encoding="utf-8")
        target = folder / "compiled"
        _run_protoc([f"-I{folder}", *_includes(), "--include_imports", f"--descriptor_set_out={target}", MAIN], folder)
        if target.stat().st_size > COMPILED:
            raise UnusableSchema(f"it has more than {COMPILED} bytes with all that it imports")
        return descriptor_pb2.FileDescriptorSet.FromString(target.read_bytes())


def _includes() -> list[str]:
    """Folders of the files that come with protoc and with googleapis-common-protos."""
    money = Path(str(google.type.money_pb2.__file__))
    return [f"-I{Path(str(grpc_tools.__file__)).parent / '_proto'}", f"-I{money.parents[2]}"]


def _run_protoc(arguments: list[str], folder: Path) -> None:
    command = [sys.executable, "-m", "grpc_tools.protoc", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        raise UnusableSchema(f"it does not compile within {PATIENCE:g} s") from None
    if done.returncode:
        lines = done.stderr.replace(f"{folder}/", "").splitlines()
        named = [line for line in lines if ".proto:" in line] or lines[-1:] or [f"protoc ended with {done.returncode}"]
        raise UnusableSchema(f"it does not compile: {named[0]}")


def _plain(name: str) -> str:
    """The name of an imported file; it must stay within the folder of the schema."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name or len(name) > 255 or name == MAIN:
        raise UnusableSchema(f"it imports {name[:80]!r}, which is no name of a file")
    return str(path)


__all__ = ["compiled", "message_indexes", "protobuf_decoder"]
