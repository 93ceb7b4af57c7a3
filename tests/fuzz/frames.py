"""Frames no server should send: good ones, recorded and made, and what is left of them after an accident.

`corpus()` is what good servers say: whole sessions as the scripted server plays them, in order, and every event of
the vocabulary with all of its members and with the fewest. `Mutant` makes frames of it, by the dice of a seed: bad
JSON, members of the wrong type, huge numbers, deep nesting, unknown members, ids that were used before, order
upset, bytes that are no UTF-8, binary frames. `huge` are the largest.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import random
from collections.abc import Callable, Iterator
from typing import Any, get_args

from desktop_app.protocol import events as wire
from desktop_app.protocol.codec import encode
from desktop_app.protocol.items import ContentPart, Item
from tests.harness.scripted_server import Caller, created, error
from tests.protocol.test_codec import filled

LARGEST = 16 * 2**20
"""16 MiB."""


class _Recorder:
    """What stands in for a connection."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    async def send(self, frame: str) -> None:
        self.frames.append(frame.encode())


async def _talk(caller: Caller) -> None:
    """A session in which everything happens once."""
    first = created()
    await caller.send(first, wire.SessionUpdated(session=first.session))
    for turn in range(3):
        item = f"item_said_{turn}"
        await caller.send(
            wire.InputAudioBufferSpeechStarted(audio_start_ms=100, item_id=item),
            wire.InputAudioBufferSpeechStopped(audio_end_ms=900, item_id=item),
            wire.InputAudioBufferCommitted(item_id=item, previous_item_id=caller.last_item_id),
        )
        part = ContentPart(type="input_audio", transcript=None)
        await caller.add(Item(id=item, type="message", role="user", status="completed", content=[part]))
        await caller.write(item, f"What is the time, number {turn}?")
        await caller.answer("It is noon, and the sun shines.", bytes(48 * 250))
        await caller.answer("Written, this time.")
    call = Item(id="item_call", type="function_call", call_id="call_1", name="get_time", arguments="{}")
    begun = await caller.begin()
    await caller.send(
        wire.ResponseOutputItemAdded(response_id=begun.response_id, output_index=1, item=call),
        wire.ResponseFunctionCallArgumentsDone(
            response_id=begun.response_id, item_id="item_call", call_id="call_1", name="get_time", arguments="{}"
        ),
        wire.ResponseOutputItemDone(response_id=begun.response_id, output_index=1, item=call),
    )
    await caller.done(begun.response_id, [call])
    begun = await caller.begin()
    await caller.speak(begun, bytes(48 * 600))
    await caller.end(begun, "Cut off", bytes(48 * 600), status="cancelled", reason="turn_detected")
    await caller.done("resp_failed", [], status="failed")
    await caller.send(error("rate_limit_exceeded", "Rate limit reached. Please try again in 20ms."))
    await caller.send(wire.ConversationItemDeleted(item_id="item_said_1"))


def corpus() -> list[bytes]:
    """Return the frames of a whole session, in order, and then every event there is."""
    recorder = _Recorder()
    caller = Caller(recorder, 0, itertools.count(1), [])  # type: ignore[arg-type]
    talking = _talk(caller)
    with contextlib.suppress(StopIteration):  # nothing in it ever waits, so it needs no loop
        talking.send(None)
    kinds = get_args(wire.KnownServerEvent)
    every = [encode(filled(kind, everything=whole)).encode() for whole in (True, False) for kind in kinds]
    return [*recorder.frames, *every]


# --- odd values ---------------------------------------------------------------------------------


def _odd(dice: random.Random) -> Any:
    return dice.choice(
        [
            None, True, False, 0, -1, 2**31, 2**63, 2**64, 10**40, -(10**30), 0.5, 1e300, 12.0, "", " ", "null",
            "\x00\x1b[31m\r\n", "\u202e\u2066\u200f", "😀" * 50, "<b onclick=x>&amp;<img src='http://x.test/a'>",
            "a" * 5000, "ä" * 3000, [], {}, [[]], [None], [{}], {"": ""}, {"a": {"b": []}}, "item_said_0", "resp_1",
            "AAAA", "not base64!", "=", "inf", "[" * 50,
        ]
    )  # fmt: skip


def _paths(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Walk the paths of all members."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield (*here, name)
        yield from _paths(member, (*here, name))


def _holder(raw: Any, path: tuple[Any, ...]) -> Any:
    for step in path[:-1]:
        raw = raw[step]
    return raw


class Mutant:
    """Makes frames, for ever; the same for the same seed."""

    def __init__(self, seed: int, frames: list[bytes] | None = None) -> None:
        self.dice = random.Random(seed)
        self._good = frames or corpus()
        self._raw = [json.loads(frame) for frame in self._good]
        self._at = 0
        self._ids = sorted({str(value) for raw in self._raw for value in _ids_in(raw)})
        self._accidents: list[tuple[int, Callable[[], bytes]]] = [
            (30, self._as_it_is),
            (12, self._odd_member),
            (8, self._several_odd_members),
            (6, self._member_missing),
            (6, self._member_unknown),
            (10, self._other_id),
            (5, self._type_swapped),
            (5, self._bytes_flipped),
            (4, self._cut),
            (3, self._no_utf8),
            (3, self._deep),
            (3, self._long),
            (2, self._binary),
            (2, self._no_object),
            (2, self._twice_a_member),
            (2, self._surrogates),
        ]

    def __iter__(self) -> Iterator[bytes]:
        """Make frames."""
        weights = [weight for weight, _ in self._accidents]
        accidents = [accident for _, accident in self._accidents]
        while True:
            yield self.dice.choices(accidents, weights)[0]()

    def _pick(self) -> bytes:
        """Return a good frame: mostly the next one of the session, now and then any other."""
        if self.dice.random() < 0.25:
            self._at = self.dice.randrange(len(self._good))
        self._at = (self._at + 1) % len(self._good)
        return self._good[self._at]

    def _pick_raw(self) -> Any:
        return json.loads(self._pick())

    def _as_it_is(self) -> bytes:
        return self._pick()

    def _odd_member(self) -> bytes:
        return self._with(1)

    def _several_odd_members(self) -> bytes:
        return self._with(self.dice.randint(2, 60))

    def _with(self, times: int) -> bytes:
        raw = self._pick_raw()
        for _ in range(times):
            path = self.dice.choice(list(_paths(raw)))
            if path != ("type",):
                _holder(raw, path)[path[-1]] = _odd(self.dice)
        return _bytes(raw)

    def _member_missing(self) -> bytes:
        raw = self._pick_raw()
        path = self.dice.choice(list(_paths(raw)))
        del _holder(raw, path)[path[-1]]
        return _bytes(raw)

    def _member_unknown(self) -> bytes:
        raw = self._pick_raw()
        path = self.dice.choice(list(_paths(raw)))
        holder = _holder(raw, path)
        if isinstance(holder, dict):
            holder[self.dice.choice(["new_member", "", "type ", "\x00", "é"])] = _odd(self.dice)
        return _bytes(raw)

    def _other_id(self) -> bytes:
        raw = self._pick_raw()
        paths = [path for path in _paths(raw) if path and str(path[-1]).endswith("id")]
        for path in paths:
            if self.dice.random() < 0.6:
                fresh = f"item_{self.dice.randrange(10**6)}"
                _holder(raw, path)[path[-1]] = self.dice.choice([*self._ids, fresh, fresh, fresh])
        return _bytes(raw)

    def _type_swapped(self) -> bytes:
        raw = self._pick_raw()
        raw["type"] = self.dice.choice(
            [*(other["type"] for other in self._raw), "x.y", "", "error", "response.audio.delta"]
        )
        return _bytes(raw)

    def _bytes_flipped(self) -> bytes:
        frame = bytearray(self._pick())
        for _ in range(self.dice.randint(1, 8)):
            frame[self.dice.randrange(len(frame))] = self.dice.randrange(256)
        return bytes(frame)

    def _cut(self) -> bytes:
        frame = self._pick()
        return frame[: self.dice.randrange(len(frame))]

    def _no_utf8(self) -> bytes:
        frame = self._pick()
        at = self.dice.randrange(len(frame))
        return frame[:at] + self.dice.choice([b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xf5\x80"]) + frame[at:]

    def _deep(self) -> bytes:
        depth = self.dice.choice([50, 500, 5_000, 100_000])
        nest = b"[" * depth + b"]" * depth if self.dice.random() < 0.8 else b'{"a":' * depth + b"1" + b"}" * depth
        raw = self._pick_raw()
        path = self.dice.choice([path for path in _paths(raw) if path != ("type",)] or [("deep",)])
        _holder(raw, path)[path[-1]] = "DEEP"
        return _bytes(raw).replace(b'"DEEP"', nest)

    def _long(self) -> bytes:
        size = self.dice.choice([10_000, 60_000, 300_000]) if self.dice.random() < 0.5 else 2_000
        raw = self._pick_raw()
        path = self.dice.choice([path for path in _paths(raw) if path != ("type",)] or [("long",)])
        text = self.dice.choice(["word ", "ä", "A", "\u202e", "🎙", "\n"])
        holder = _holder(raw, path)
        holder[path[-1]] = (
            [text] * (size // 50) if self.dice.random() < 0.3 else text * (size // len(text.encode()))
        )
        return _bytes(raw)

    def _binary(self) -> bytes:
        return self.dice.randbytes(self.dice.randrange(4_000))

    def _no_object(self) -> bytes:
        return self.dice.choice(
            [b"", b" ", b"null", b"7", b"[]", b'"text"', b"{}", b"{}{}", b"\xef\xbb\xbf{}", b"NaN"]
        )

    def _twice_a_member(self) -> bytes:
        frame = self._pick()
        return b'{"type":"error","item_id":7,"event_id":[],' + frame[1:]

    def _surrogates(self) -> bytes:
        frame = self._pick()
        return frame.replace(b"item", b"item\\ud83d", 1).replace(b'":"', b'":"\\udc00', self.dice.randint(0, 3))


def _ids_in(raw: Any) -> Iterator[Any]:
    for path in _paths(raw):
        if str(path[-1]).endswith("id") and isinstance(_holder(raw, path)[path[-1]], str):
            yield _holder(raw, path)[path[-1]]


def _bytes(raw: Any) -> bytes:
    return json.dumps(raw, ensure_ascii=False).encode("utf-8", "surrogatepass")


# --- the largest --------------------------------------------------------------------------------


def huge(size: int = LARGEST) -> dict[str, bytes]:
    """Return frames of a size, by what makes each of them large."""

    def frame(head: str, body: str | bytes, tail: str) -> bytes:
        inside = body.encode() if isinstance(body, str) else body
        room = size - len(head.encode()) - len(tail.encode())
        text = (inside * (room // len(inside) + 1))[: room // len(inside) * len(inside)]
        return head.encode() + text + tail.encode()

    ids = '"response_id":"resp_h","item_id":"item_h","output_index":0,"content_index":0'
    words = f'{{"type":"response.output_text.delta",{ids},"delta":"'
    part = (
        '{"type":"conversation.item.retrieved","item":{"id":"i","type":"message","role":"user","content":[{"type":'
    )
    added = '{"type":"conversation.item.added","item":{"id":"item_h2","type":"message","role":"user","content":['
    picture = added + '{"type":"input_image","image_url":"data:image/png;base64,'
    limits = '{"type":"rate_limits.updated","rate_limits":['
    return {
        "audio delta": frame(f'{{"type":"response.output_audio.delta",{ids},"delta":"', "AAAA", '"}'),
        "words": frame(words, "word ", '"}'),
        "words in other letters": frame(words, "Wörter 语 ", '"}'),
        "escaped words": frame(words, "\\u00e4\\n", '"}'),
        "a recording": frame(part + '"input_audio","audio":"', "AAAA", '"}]}}'),
        "a picture": frame(picture, "AAAA", '"}]}}'),
        "many parts": frame(added, '{"type":"input_text","text":"x"},', '{"type":"x"}]}}'),
        "many odd parts": frame(added, '{"type":7},', '{"type":"x"}]}}'),
        "many calls": frame(
            '{"type":"response.done","response":{"id":"resp_h","status":"completed","output":[',
            '{"type":"function_call","name":"a","call_id":"c","id":"i"},', '{"type":"x"}]}}',
        ),
        "unknown members": frame('{"type":"session.created","session":{"type":"realtime"},"x":[', "[1,2],", "0]}"),
        "an unknown event": frame('{"type":"vendor.event","x":"', "abcdefgh", '"}'),
        "an error": frame('{"type":"error","error":{"type":"x","code":"y","message":"', "no ", '"}}'),
        "numbers": frame(limits, '{"name":"a","limit":1},', '{"name":"b"}]}'),
        "brackets": frame("", "[", ""),
        "spaces": frame("", " ", ""),
        "no UTF-8": frame('{"type":"error","error":{"message":"', b"\xff", '"}}'),
        "no JSON": frame("", "A", ""),
        "odd and large": frame(words.replace(',"delta"', ',"event_id":7,"delta"'), "word ", '"}'),
    }  # fmt: skip
