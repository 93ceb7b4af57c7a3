"""Sessions that end and begin, over real WebSockets: what the servers got, and what the window was told.

The clock is the test's: the server's hour passes when the test says so, and no time-out of the wire ever does.
"""

from __future__ import annotations

import asyncio
import http
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from desktop_app.conversation.conversation import Conversation
from desktop_app.conversation.effects import Link, Retry
from desktop_app.conversation.inputs import (
    ConnectAsked,
    Input,
    MicBlock,
    MicClosed,
    MicStarted,
    PlaybackFinished,
    TalkPressed,
    TalkReleased,
    TextEntered,
    VoiceChosen,
)
from desktop_app.endpoints import Endpoint
from desktop_app.protocol import events as wire
from desktop_app.protocol.items import PartId
from desktop_app.session import Session
from desktop_app.transport import WebSocketTransport
from tests.conversation.story import CONFIG
from tests.fakes import Call, FakeMicrophone, FakeRecords, FakeSpeaker, FakeTools, FakeView
from tests.harness.scripted_server import Caller, Script, ScriptedServer, created

LIFE_S = 90
BLOCK = 960


def blocks(first: int, last: int) -> list[bytes]:
    """Return blocks of 20 ms of which no two are alike."""
    return [n.to_bytes(2, "little") * (BLOCK // 2) for n in range(first, last)]


class House:
    """A session with a real transport and nobody at the edges; time passes when the test says so."""

    def __init__(self, server: ScriptedServer) -> None:
        self.server = server
        self.calls: list[Call] = []
        self.began_s = time.time()
        self.passed_s = 0.0
        self.waiting: list[tuple[float, Callable[[], None]]] = []
        self._came = asyncio.Event()
        self.core = Conversation(
            CONFIG, voice="marin", jitter=lambda: 0.0, now=lambda: self.began_s + self.passed_s
        )
        self.transport = WebSocketTransport(self._endpoint, self.post)
        self.session = Session(
            self.core,
            transport=self.transport,
            speaker=FakeSpeaker(self.calls),
            microphone=FakeMicrophone(self.calls),
            view=FakeView(self.calls),
            tools=FakeTools(self.calls),
            records=FakeRecords(self.calls),
            call_later=self._call_later,
        )

    async def _endpoint(self) -> Endpoint:
        return Endpoint("test", self.server.url, {})

    def _call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        self.waiting.append((self.passed_s + seconds, callback))

    def post(self, *events: Input) -> None:
        for event in events:
            self.session.handle(event)
        self._came.set()

    def passes(self, until_s: float) -> None:
        """Let time pass until so many seconds after the beginning."""
        while due := sorted((each for each in self.waiting if each[0] <= until_s), key=lambda each: each[0]):
            self.waiting.remove(due[0])
            self.passed_s = max(self.passed_s, due[0][0])
            self.post()
            due[0][1]()
        self.passed_s = until_s

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                self._came.clear()
                try:
                    await asyncio.wait_for(self._came.wait(), 0.05)  # the server's side does not say
                except TimeoutError:
                    pass

    def shown(self, name: str) -> list[object]:
        """Return what the window was told by one of its methods."""
        return [call[1] for call in self.calls if call[0] == name]

    def sent(self, connection: int, kind: type[wire.ClientEvent]) -> list[wire.ClientEvent]:
        """Return the events of a kind that came by a connection."""
        log = self.server.received
        return [each.event for each in log if each.connection == connection and isinstance(each.event, kind)]

    def audio(self, connection: int) -> bytes:
        """Return the audio that came by a connection."""
        appends = self.sent(connection, wire.InputAudioBufferAppend)
        return b"".join(event.audio for event in appends if isinstance(event, wire.InputAudioBufferAppend))


@asynccontextmanager
async def house(*scripts: Script) -> AsyncIterator[House]:
    async with ScriptedServer(*scripts) as server:
        home = House(server)
        home.post(ConnectAsked())
        try:
            await home.until(lambda: home.core.link is Link.ONLINE)
            yield home
        finally:
            home.session.close()
            await home.transport.close()


async def short_lived(caller: Caller) -> None:
    """A session of 90 s, which the client leaves."""
    await caller.greet(created(expires_at=int(time.time()) + LIFE_S))
    await caller.gone(within_s=60)


async def listening(caller: Caller) -> None:
    """A session to which nothing is said."""
    await caller.greet(created(session_id="sess_2"))
    await caller.gone(within_s=60)


async def lasting(caller: Caller) -> None:
    """A session that answers one turn."""
    await caller.greet(created(session_id="sess_2"))
    await caller.expect(wire.ResponseCreate, within_s=60)
    await caller.answer("Four.", bytes(4800), item_id="answer")
    await caller.gone(within_s=60)


async def test_a_talk_held_across_the_switch_loses_no_sample() -> None:
    async with house(short_lived, lasting) as home:
        spoken = blocks(1, 61)
        home.post(TalkPressed(), MicStarted(), *map(MicBlock, spoken[:20]))
        home.passes(LIFE_S - 20)
        await home.until(lambda: home.core._succession.ready)
        home.post(*map(MicBlock, spoken[20:40]))
        await home.until(lambda: home.audio(0) == b"".join(spoken[:40]))
        home.passes(LIFE_S - 10)
        home.post(*map(MicBlock, spoken[40:]), TalkReleased(), MicClosed())
        await home.until(lambda: home.shown("show_entry") and home.sent(1, wire.ResponseCreate))
        await home.until(lambda: PartId("answer", 0) in [call[1] for call in home.calls if call[0] == "play"])
        assert home.audio(1) == b"".join(spoken), "every sample, in order"
        assert home.audio(0) == b"".join(spoken[:40])
        kinds = [type(each.event).__name__ for each in home.server.received if each.connection == 1]
        assert kinds.index("InputAudioBufferCommit") > len(kinds) - 1 - kinds[::-1].index("InputAudioBufferAppend")
        await home.server.finished()
        assert home.shown("show_link") == [Link.CONNECTING, Link.ONLINE], "nobody notices"
        assert home.shown("show_notice") == []


async def test_a_quiet_moment_is_used_and_the_next_session_knows_what_was_said() -> None:
    async def first(caller: Caller) -> None:
        await caller.greet(created(expires_at=int(time.time()) + LIFE_S))
        await caller.take_text()
        await caller.expect(wire.ResponseCreate)
        await caller.answer("In Delft.", item_id="written")
        await caller.gone(within_s=60)

    async with house(first, lasting) as home:
        home.post(TextEntered("Where was he born?"))
        await home.until(lambda: "In Delft." in str(home.shown("show_entry")) and home.core.turn.value == "idle")
        home.passes(LIFE_S - 20)
        await home.until(lambda: home.sent(1, wire.ConversationItemCreate))
        await home.server.finished()
        home.post(TextEntered("And when?"))
        await home.until(lambda: PartId("answer", 0) in [call[1] for call in home.calls if call[0] == "play"])
        texts = [event.item.words for event in home.sent(1, wire.ConversationItemCreate)]  # type: ignore[union-attr]
        assert texts == ["Where was he born?", "In Delft.", "And when?"]
        assert home.shown("show_notice") == []


async def test_a_next_session_that_fails_twice_is_there_in_time_all_the_same() -> None:
    async def refuses(caller: Caller) -> None:
        await caller.close(1013, "overloaded")

    async with house(short_lived, refuses, refuses, listening) as home:
        home.passes(LIFE_S - 20)
        await home.until(lambda: home.core._succession.failures == 1)
        home.passes(home.passed_s + 1)
        await home.until(lambda: home.core._succession.failures == 2)
        home.passes(home.passed_s + 1)
        await home.until(lambda: home.sent(3, wire.SessionUpdate))
        await home.server.finished()
        assert home.shown("show_link") == [Link.CONNECTING, Link.ONLINE]
        assert home.shown("show_notice") == []


async def test_another_voice_comes_without_a_gap() -> None:
    async def speaks(caller: Caller) -> None:
        await caller.greet()
        await caller.take_text()
        await caller.expect(wire.ResponseCreate)
        await caller.answer("Hello.", bytes(4800), item_id="spoken")
        await caller.gone(within_s=60)

    async with house(speaks, listening) as home:
        home.post(TextEntered("Hello?"))
        await home.until(lambda: any(call[0] == "end" for call in home.calls) and not home.core._responses.busy)
        home.post(PlaybackFinished(PartId("spoken", 0)), VoiceChosen("cedar"))
        await home.until(lambda: home.sent(1, wire.ConversationItemCreate))
        await home.server.finished()
        voices = [event.session.voice for event in home.sent(1, wire.SessionUpdate)]  # type: ignore[union-attr]
        assert voices[-1] == "cedar"
        assert home.shown("show_link") == [Link.CONNECTING, Link.ONLINE]


async def test_a_connection_that_is_cut_in_mid_talk_goes_on_with_the_whole_talk() -> None:
    async def cuts(caller: Caller) -> None:
        await caller.greet()
        await caller.expect(wire.InputAudioBufferAppend)
        await caller.close(1006)

    async with house(cuts, lasting) as home:
        spoken = blocks(1, 40)
        home.post(TalkPressed(), MicStarted(), *map(MicBlock, spoken[:10]))
        await home.until(lambda: home.core.link is Link.CONNECTING)
        home.post(*map(MicBlock, spoken[10:20]))
        retry = home.shown("show_retry")[-1]
        assert isinstance(retry, Retry)
        home.passes(home.passed_s + retry.in_ms / 1000)
        await home.until(lambda: home.core.link is Link.ONLINE)
        home.post(*map(MicBlock, spoken[20:]), TalkReleased(), MicClosed())
        await home.until(lambda: home.sent(1, wire.ResponseCreate))
        assert home.audio(1) == b"".join(spoken)
        assert len([notice for notice in home.shown("show_notice") if getattr(notice, "key", "") == "link"]) == 1


async def test_a_server_that_is_busy_is_asked_when_it_said() -> None:
    refuse = http.HTTPStatus.SERVICE_UNAVAILABLE
    async with ScriptedServer(short_lived, refuse=refuse, retry_after_s=7) as server:
        home = House(server)
        home.post(ConnectAsked())
        await home.until(lambda: home.shown("show_retry"))
        assert home.shown("show_retry") == [Retry(7_000, 1, 5)]
        home.session.close()
        await home.transport.close()
