"""The decoder against arbitrary bytes, and tensors against their descriptions."""

from __future__ import annotations

import contextlib

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grader.sandbox import tensors, wire
from grader.sandbox.codec import Codec, allowed_attr
from grader.sandbox.wire import Attr, Big, Known, Map, Remote, Reply, Returned, Seq, TensorV, Unsupported, WireError


def codec(sign: int) -> Codec:
    def refuse(source: wire.Source) -> object:
        raise WireError("source")

    return Codec(sign, leave=lambda value: Unsupported(type(value).__name__), fetch=lambda r: r, make=refuse)


def cross(sender: Codec, receiver: Codec, value: object) -> object:
    """Send a value over real bytes."""
    sender.begin_message()
    reply = Reply(1, Returned(sender.encode(value)), list(sender.new_attrs()))
    blobs = bytearray(b"".join(bytes(blob) for blob in sender.outgoing.values()))
    reply = msgspec.structs.replace(reply, blobs=[(n, len(b)) for n, b in sender.outgoing.items()])
    header, control = wire.encode(reply)[:2]
    assert wire.sizes(bytes(header))[0] == len(control)
    back = wire.decode(bytes(control), Reply)
    receiver.receive(wire.split(blobs, back.blobs))
    value = receiver.decode(back.outcome.value)
    receiver.set_attrs(back.attrs)
    return value


@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_a_reply_or_a_wire_error(data):
    with contextlib.suppress(WireError):
        wire.decode(data, Reply)


@given(st.binary(min_size=8, max_size=8))
def test_arbitrary_headers_are_within_bounds_or_refused(header):
    try:
        control, blobs = wire.sizes(header)
    except WireError:
        return
    assert control <= wire.MAX_CONTROL
    assert blobs <= wire.MAX_BLOBS


def test_deep_nesting_is_refused():
    with pytest.raises(WireError):
        wire.decode(
            b"\x82\xa3seq\x01\xa7outcome\x82\xa4type\xa8Returned\xa5value" + b"\x93\xa1s\xa4list\x91" * 20_000, Reply
        )
    value = Known(1)
    for _ in range(100):
        value = Seq("list", [value])
    with pytest.raises(WireError):
        codec(1).decode(value)


_sizes = st.lists(st.integers(-2, 5), max_size=10)


@given(_sizes, st.lists(st.integers(-3, 9), max_size=10), st.integers(-2, 30), st.binary(max_size=64),
       st.sampled_from([*tensors.DTYPES, "float8", "object"]))  # fmt: skip
def test_a_tensor_is_built_on_its_own_bytes_or_refused(shape, strides, offset, data, dtype):
    value = TensorV(-1, "tensor", dtype, shape, strides, offset, -1, False)
    try:
        built = tensors.build(value, bytearray(data))
    except WireError:
        return
    assert list(built.shape) == shape
    assert built.numel() == 0 or built.untyped_storage().nbytes() == len(data)


@pytest.mark.parametrize(
    "value",
    [
        TensorV(-1, "tensor", "float32", [4], [1], 0, -1, False),  # a shape but no bytes
        TensorV(-1, "tensor", "float32", [2**40], [0], 0, -2, False),  # huge by stride 0
        TensorV(1, "tensor", "float32", [1], [1], 0, -2, False),  # under a number of the client's
        TensorV(-1, "tensor", "bool", [4], [1], 0, -2, False),  # bytes that are neither 0 nor 1
        Known(7),
        Big("zz"),
        Big("f" * 10_000),
        Map([(Seq("list", []), 1)]),
        Seq("size", ["x"]),
        Seq("set", [Seq("list", [])]),
    ],
)
def test_impossible_values_are_refused(value):
    receiver = codec(1)
    receiver.receive({-2: memoryview(b"\x02\x03\x04\x05")})
    with pytest.raises(WireError):
        receiver.decode(value)


_plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=12,
)  # fmt: skip


@given(_plain)
def test_plain_values_cross_unchanged(value):
    assert cross(codec(1), codec(-1), value) == value


@given(
    st.lists(st.integers(0, 4), max_size=4),
    st.sampled_from([torch.float32, torch.float64, torch.int64, torch.bool, torch.bfloat16, torch.complex64]),
    st.booleans(),
    st.integers(0, 3),
)
def test_tensors_cross_with_shape_strides_and_bytes(shape, dtype, transposed, expand):
    tensor = torch.randn(shape).mul(3).to(dtype)
    tensor = tensor.mT if transposed and tensor.dim() >= 2 else tensor
    tensor = tensor.expand(expand, *tensor.shape) if expand else tensor
    back = cross(codec(1), codec(-1), tensor)
    assert back.dtype == dtype
    assert back.shape == tensor.shape
    assert back.stride() == tensor.stride()
    assert torch.equal(back, tensor)


def test_identity_attributes_and_changes():
    here, there = codec(1), codec(-1)
    x, y = torch.zeros(2, 3), torch.ones(4)
    x.g = y
    a, b, again = cross(here, there, [x, x.t(), x])
    assert a is again
    assert b.untyped_storage().data_ptr() == a.untyped_storage().data_ptr()
    assert torch.equal(a.g, y)
    assert there.changed() == []
    a[0, 0] = 5
    assert sorted(there.changed()) == [1, 2]
    assert cross(there, here, a.g) is y
    a.h = torch.full((2,), 7.0)
    cross(there, here, None)
    assert torch.equal(x.h, torch.full((2,), 7.0))
    assert torch.equal(x, torch.zeros(2, 3))  # the suite's own tensor is never written to


def test_changes_of_an_array_are_seen():
    here, there = codec(1), codec(-1)
    x = np.arange(6.0).reshape(2, 3)
    a, b, number = cross(here, there, [x, x.T, np.float64(3)])
    assert a.base is not None
    assert number == 3
    assert there.changed() == []
    b[0, 1] = 7
    assert sorted(there.changed()) == [1, 2]
    assert x[1, 0] == 3  # the suite's own array is never written to


def test_requires_grad_and_parameters_cross():
    x = torch.randn(3, requires_grad=True)
    back, parameter = cross(codec(1), codec(-1), [x, torch.nn.Parameter(torch.ones(2))])
    assert back.requires_grad
    assert back.is_leaf
    assert isinstance(parameter, torch.nn.Parameter)


def test_what_has_no_plain_form_is_named():
    sender = codec(-1)
    for value in (torch.eye(2).to_sparse(), torch.empty(2, device="meta"), object(), [[1]] * 30_000, "x" * 10_000):
        assert isinstance(sender.encode(value), Unsupported)
    deep: object = 1
    for _ in range(1000):
        deep = [deep]
    assert "nested deeper" in str(sender.encode(deep))


def test_a_subclass_has_no_say_in_how_it_travels():
    class Liar(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return True

        def __eq__(self, other):
            return True

    liar = torch.zeros(3).as_subclass(Liar)
    back = cross(codec(-1), codec(1), liar)
    assert type(back) is torch.Tensor
    assert torch.equal(back, torch.zeros(3))


@pytest.mark.parametrize("name", ["_g", "__class__", "data", "grad", "shape", "backward", "a b", "", "x" * 100, 3])
def test_names_that_may_not_be_set(name):
    assert not allowed_attr(name)


def test_the_client_refuses_attributes_it_must_not_set():
    client = codec(1)
    client.begin_message()
    client.encode(torch.zeros(1))
    for attr in (Attr(1, "data", 3), Attr(1, "__class__", 3), Attr(2, "g", 3)):
        with pytest.raises(WireError):
            client.set_attrs([attr])
    client.set_attrs([Attr(1, "g", 3)])
    assert Remote(1, "x").id == 1


def test_attributes_that_came_are_not_looked_at_again():
    """Five hundred attributes that share one large tensor cost the client nothing with each further message."""
    client, worker = codec(1), codec(-1)
    x = torch.zeros(2)
    there = cross(client, worker, x)
    there.g = torch.zeros(3)
    cross(worker, client, None)
    client.begin_message()
    assert list(client.new_attrs()) == []
    assert client.outgoing == {}
    x.g = torch.ones(3)  # set anew by the suite: that is told
    assert [attr.name for attr in client.new_attrs()] == ["g"]


class Unhashed(str):
    """A name whose hash a student has a say in."""

    __slots__ = ("times",)

    def __hash__(self) -> int:
        self.times = getattr(self, "times", 0) + 1
        if self.times > 1:
            raise ValueError
        return str.__hash__(self)


def test_attributes_of_an_answer_that_cannot_be_looked_at_are_told_all_the_same():
    worker = codec(-1)
    there = cross(codec(1), worker, torch.zeros(2))
    there.g = torch.zeros(3)
    assert [attr.name for attr in worker.new_attrs()] == ["g"]
    assert list(worker.new_attrs()) == []
    vars(there)[Unhashed("h")] = 1
    torch.utils.swap_tensors(there.g, torch.empty(4, device="meta"))
    worker.begin_message()
    assert [(attr.name, type(attr.value)) for attr in worker.new_attrs()] == [("g", Unsupported)]
    there.g = torch.zeros(3)
    list(worker.new_attrs())
    there.g[1] = 5
    assert [attr.name for attr in worker.new_attrs()] == ["g"]


def test_a_flood_of_attributes_is_refused():
    names = [f"a{number}" for number in range(wire.MAX_ATTRS + 1)]
    reply = Reply(1, Returned(None), [Attr(1, name, 1) for name in names])
    with pytest.raises(WireError):
        wire.decode(bytes(wire.encode(reply)[1]), Reply)


def test_keys_that_can_all_collide_are_few():
    """-1 and -2 have one hash, and so has every tuple of them: a set of many takes the square of that to build."""
    keys = [tuple(-1 - int(bit) for bit in f"{number:012b}") for number in range(wire.MAX_CHOSEN_KEYS + 1)]
    for many in (set(keys), dict.fromkeys(keys)):
        assert isinstance(codec(-1).encode(many), Unsupported)  # an honest worker says so and is not blamed
    with pytest.raises(WireError):
        codec(+1).decode(Seq("set", [Seq("tuple", list(key)) for key in keys]))
    assert cross(codec(-1), codec(+1), set(keys[:-1])) == set(keys[:-1])
    assert cross(codec(-1), codec(+1), set(range(1000))) == set(range(1000))


@pytest.mark.parametrize(
    ("given", "look"),
    [
        (torch.arange(4.0), torch._neg_view),
        (torch.tensor([1 + 2j, 3j]), torch.conj),
        (torch.arange(4.0), lambda x: x[1:]),
    ],
)
def test_a_tensor_that_looks_at_its_memory_in_another_way_has_changed(given, look):
    here, there = codec(1), codec(-1)
    held = cross(here, there, given)
    assert there.changed() == []
    held.data = look(held.data)
    assert there.changed() == [1]
