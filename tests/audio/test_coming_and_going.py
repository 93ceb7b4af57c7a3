"""Devices that come and go while the program speaks and listens, on a real sound server of each test's own.

What is claimed as heard is held against recordings of all loudspeakers, sample by sample.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import numpy as np
import psutil
import pytest

from desktop_app.audio.devices import Devices
from desktop_app.audio.microphone import Microphone
from desktop_app.audio.speaker import Speaker
from desktop_app.audio.streams import SoundSystem
from desktop_app.audio.watching import DeviceWatch, ServerWatcher
from desktop_app.conversation.inputs import (
    DeviceChanged,
    Input,
    MicBlock,
    MicClosed,
    MicFailed,
    MicStarted,
    PlaybackFinished,
    PlaybackStarted,
    SpeakerFailed,
)
from desktop_app.protocol.items import PartId
from tests.audio.fake_sound import until
from tests.audio.listening import located
from tests.bench.sound import noise
from tests.harness.sound import MIC, SPEAKER, Recorder, VirtualSound

pytestmark = [pytest.mark.sound, pytest.mark.skipif(sys.platform != "linux", reason="PulseAudio")]

HEARD_WITHIN_MS = 20
DEVICE_MS = 60
"""What a device holds: as much may be lost or repeated where it dies with all it held."""
WITHIN_S = 30.0


@pytest.fixture
def own_sound(monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualSound]:
    """A server of this test's own: it is killed and stripped of its devices."""
    with VirtualSound() as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        if sounddevice := sys.modules.get("sounddevice"):
            sounddevice._terminate()
            sounddevice._initialize()
        yield server


class Parts:
    """The speaker, the microphone and the watch, put together as in the program, and what they said."""

    def __init__(self, output: str | None, input_: str | None) -> None:
        self.posted: list[Input] = []
        self.system = SoundSystem()
        self.speaker = Speaker(self.posted.append, sound=self.system, device=output)
        self.microphone = Microphone(self.posted.append, sound=self.system, device=input_)
        self.devices = Devices()
        self.watch = DeviceWatch(asyncio.get_running_loop(), self._changed, ServerWatcher())
        self.watch.open()

    def _changed(self, devices: Devices) -> None:
        self.devices = self.system.learn(devices)
        self.speaker.devices_changed(devices)
        self.microphone.devices_changed(devices)

    async def see(self, *outputs: str) -> None:
        """Wait until these are the loudspeakers that are known of."""
        await until(lambda: {device.name for device in self.devices.outputs} == set(outputs), WITHIN_S)

    @property
    def told(self) -> list[str]:
        return [event.notice.text for event in self.posted if isinstance(event, DeviceChanged)]

    def happened(self, kind: type) -> bool:
        return any(isinstance(event, kind) for event in self.posted)

    @property
    def captured_ms(self) -> float:
        return sum(len(event.pcm) for event in self.posted if isinstance(event, MicBlock)) / 48

    def close(self) -> None:
        self.watch.close()
        self.microphone.shutdown()
        self.speaker.close()


@asynccontextmanager
async def parts(output: str | None = None, input_: str | None = None) -> AsyncIterator[Parts]:
    together = Parts(output, input_)
    try:
        await until(lambda: together.devices.outputs, WITHIN_S)
        yield together
    finally:
        together.close()


async def test_a_loudspeaker_that_goes_in_mid_answer_is_stood_in_for_and_taken_again(
    own_sound: VirtualSound,
) -> None:
    own_sound.add_sink("headset", rate_hz=48_000, channels=2)
    reply, part = noise(8000, seed=3), PartId("item_a")
    async with parts("headset") as all_:
        with own_sound.record("headset.monitor") as first, own_sound.record() as second:
            all_.speaker.play(part, reply)
            all_.speaker.end(part)
            await until(lambda: all_.speaker.heard()[0].ms > 700, WITHIN_S)
            await asyncio.to_thread(own_sound.remove, "headset")
            await all_.see(SPEAKER, "va_mic_feed")
            await asyncio.to_thread(second.wait_for_sound)
            own_sound.add_sink("headset", rate_hz=48_000, channels=2)
            await all_.see(SPEAKER, "va_mic_feed", "headset")
            begun_ms = all_.speaker.heard()[0].ms
            await until(lambda: all_.speaker.heard()[0].ms > begun_ms + 500, WITHIN_S)
            (heard,) = all_.speaker.stop()
            await asyncio.to_thread(second.wait_for_silence, 0.3)
        before, after = located(first.samples, reply), located(second.samples, reply)
        assert before is not None
        assert after is not None
        assert abs(heard.ms - after.end_ms) <= HEARD_WITHIN_MS
        print(f"the second loudspeaker begins {after.begin_ms - before.end_ms:.1f} ms after where the first ended")
        assert abs(after.begin_ms - before.end_ms) <= HEARD_WITHIN_MS, "nothing is lost or repeated"
        assert all_.told == ["The loudspeaker “headset” went away.", "The loudspeaker “headset” is back."]
        with own_sound.record("headset.monitor") as third:
            all_.speaker.play(PartId("item_b"), reply)
            await asyncio.to_thread(third.wait_for_sound)


async def test_a_server_that_dies_in_mid_answer_and_returns(own_sound: VirtualSound) -> None:
    reply, part = noise(8000, seed=4), PartId("item_a")
    async with parts() as all_:
        with own_sound.record() as first:
            all_.speaker.play(part, reply)
            all_.speaker.end(part)
            await until(lambda: all_.speaker.heard()[0].ms > 800, WITHIN_S)
            own_sound.kill_server()
            await until(lambda: all_.devices == Devices(), WITHIN_S)
        await until(lambda: all_.told, WITHIN_S)
        claimed = all_.speaker.heard()[0].ms
        await asyncio.to_thread(own_sound.start_server)
        with own_sound.record() as second:
            await until(lambda: all_.speaker.heard()[0].ms > claimed + 400, WITHIN_S)
            (heard,) = all_.speaker.stop()
            await asyncio.to_thread(second.wait_for_silence, 0.3)
        before, after = located(first.samples, reply), located(second.samples, reply)
        assert before is not None
        assert after is not None
        print(f"claimed {claimed} ms at the death, recorded {before.end_ms:.1f}, went on at {after.begin_ms:.1f}")
        assert abs(claimed - before.end_ms) <= DEVICE_MS
        assert abs(heard.ms - after.end_ms) <= HEARD_WITHIN_MS
        assert all_.told == ["The loudspeaker “va_speaker” went away.", "The loudspeaker “va_speaker” is back."]
        assert not all_.happened(SpeakerFailed)


async def test_a_microphone_that_goes_in_mid_talk_does_not_end_the_talk(own_sound: VirtualSound) -> None:
    own_sound.add_source("headset_mic")
    async with parts(input_="headset_mic") as all_:
        all_.microphone.open()
        await until(lambda: MicStarted() in all_.posted and all_.captured_ms > 300, WITHIN_S)
        await asyncio.to_thread(own_sound.remove, "headset_mic")
        await until(lambda: all_.told, WITHIN_S)
        before = all_.captured_ms
        await asyncio.to_thread(own_sound.play, noise(1000, seed=9))
        await until(lambda: all_.captured_ms > before + 1000, WITHIN_S)
        all_.microphone.close()
        await until(lambda: MicClosed() in all_.posted, WITHIN_S)
        assert all_.told == ["The microphone “headset_mic” went away."]
        assert not all_.happened(MicFailed)
        pcm = np.frombuffer(b"".join(e.pcm for e in all_.posted if isinstance(e, MicBlock)), np.int16)
        spoken = located(pcm, noise(1000, seed=9))
        assert spoken is not None
        assert spoken.end_ms - spoken.begin_ms >= 990


async def test_the_last_microphone_that_goes_is_told_and_no_loudspeaker_is_listened_to(
    own_sound: VirtualSound,
) -> None:
    async with parts() as all_:
        all_.microphone.open()
        await until(lambda: all_.captured_ms > 200, WITHIN_S)
        await asyncio.to_thread(own_sound.remove, MIC)
        await until(lambda: all_.happened(MicFailed), WITHIN_S)
        streams = own_sound.pactl("list", "short", "source-outputs")
        assert not streams.strip(), "the monitor of a loudspeaker is no microphone"


STARTS_LATE = """
import sys
from desktop_app.audio.streams import SoundSystem
from desktop_app.errors import AudioDeviceError

streams = [SoundSystem().open_output("headset", 0.04, lambda *_: None, lambda: None)]
streams.append(SoundSystem().open_input("headset_mic", 0.02, lambda *_: None, lambda: None))
print("open", flush=True)
sys.stdin.readline()
for stream in streams:
    try:
        stream.start()
    except AudioDeviceError as error:
        print(error.sentence, flush=True)
    stream.abort()
    stream.close()
"""


def test_a_device_that_goes_between_opening_and_starting_holds_nothing_up(own_sound: VirtualSound) -> None:
    own_sound.add_sink("headset")
    own_sound.add_source("headset_mic")
    # In a process of its own: PortAudio is left with a thread that waits for ever.
    with subprocess.Popen(
        [sys.executable, "-c", STARTS_LATE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        own_sound.remove("headset")
        own_sound.remove("headset_mic")
        try:
            said, _ = child.communicate("\n", timeout=WITHIN_S)
        except subprocess.TimeoutExpired:
            child.kill()
            raise
    assert said == "The sound device does not start.\n" * 2
    assert child.returncode == 0


class Storm:
    """Pulls plugs at random, and keeps a recording of every loudspeaker there is.

    No name is a part of another one: a device may be asked for by a part of its name.
    """

    def __init__(self, sound: VirtualSound, seed: int) -> None:
        self._sound = sound
        self._chance = random.Random(seed)
        self._recorders: dict[str, Recorder] = {}
        self._there = {SPEAKER, MIC}
        # With no microphone left, a loudspeaker's monitor would become the server's default source; and to the next
        # microphone the server would move whatever records from there: our recorders.
        sound.add_source("spare_mic")
        self._record(SPEAKER)

    @property
    def outputs(self) -> set[str]:
        return {name for name in self._there if "mic" not in name}

    def blow(self) -> str:
        """Plug something in or out; return what."""
        name = self._chance.choice([SPEAKER, "desk", "desk", "monitor", MIC, "clip_mic"])
        if name in self._there:
            if name == SPEAKER and self.outputs == {SPEAKER} and self._chance.random() < 0.5:
                return "nothing"
            self._unplug(name)
            return f"-{name}"
        self._plug(name)
        return f"+{name}"

    def calm(self) -> None:
        """Let there be something to speak and to listen with."""
        for name in (SPEAKER, MIC):
            if name not in self._there:
                self._plug(name)

    def sounds(self) -> list[np.ndarray[tuple[int], np.dtype[np.int16]]]:
        """Return what the loudspeakers that are there have played."""
        return [recorder.samples for recorder in self._recorders.values()]

    def until_quiet(self) -> None:
        """Wait until no loudspeaker sounds any more."""
        for recorder in self._recorders.values():
            recorder.wait_for_silence(0.3)

    def late_ms(self) -> float:
        """Return by how much a block of the recordings came late."""
        return max(recorder.late_ms() for recorder in self._recorders.values())

    def forget(self) -> None:
        """Begin new recordings."""
        for name in list(self._recorders):
            self._recorders.pop(name).stop()
            self._record(name)

    def close(self) -> None:
        for recorder in self._recorders.values():
            recorder.stop()

    def _plug(self, name: str) -> None:
        if "mic" in name:
            self._sound.add_source(name)
        else:
            rate_hz, channels = self._chance.choice([(24_000, 1), (44_100, 2), (48_000, 2), (48_000, 6)])
            self._sound.add_sink(name, rate_hz=rate_hz, channels=channels)
            self._record(name)
        self._there.add(name)

    def _unplug(self, name: str) -> None:
        if name in self._recorders:
            self._recorders.pop(name).stop()
        self._there.discard(name)
        self._sound.remove(name)

    def _record(self, name: str) -> None:
        self._recorders[name] = self._sound.record(f"{name}.monitor")


async def answer(all_: Parts, storm: Storm, chance: random.Random, number: int) -> tuple[int, float | None]:
    """Give an answer in bad weather; return how many plugs were pulled, and the error of what is claimed, in ms.

    None instead of a large error: the machine was too busy to trust the recordings.
    """
    part, reply = PartId(f"item_{number}"), noise(12_000, seed=number)

    def heard_ms() -> int:
        return all_.speaker.heard()[0].ms

    await asyncio.to_thread(storm.calm)
    await until(lambda: storm.outputs <= {device.name for device in all_.devices.outputs}, WITHIN_S)
    await asyncio.to_thread(storm.forget)
    all_.speaker.play(part, reply)
    all_.speaker.end(part)
    await until(lambda: PlaybackStarted(part) in all_.posted, WITHIN_S)
    pulled = chance.randint(1, 3)
    blown = []
    for _ in range(pulled):
        blown.append(f"{heard_ms()} ms {await asyncio.to_thread(storm.blow)}")
        await asyncio.sleep(chance.uniform(0, 0.3))
    await asyncio.to_thread(storm.calm)
    before_ms = heard_ms()
    await until(lambda: heard_ms() > before_ms + 300, WITHIN_S)
    (heard,) = all_.speaker.stop()
    await asyncio.to_thread(storm.until_quiet)
    heard_ends = [place.end_ms for sounds in storm.sounds() if (place := located(sounds, reply))]
    truth = max(heard_ends, default=0.0)
    print(f"{', '.join(blown)}: claimed {heard.ms} ms, heard {truth:.1f} ms")
    assert not all_.happened(SpeakerFailed)
    error = heard.ms - truth
    return pulled, error if abs(error) <= HEARD_WITHIN_MS or storm.late_ms() < HEARD_WITHIN_MS else None


async def weather(own_sound: VirtualSound, rounds: int, seed: int) -> list[float | None]:
    """Let plugs be pulled while it speaks and listens; return how far the claims were from the truth, in ms."""
    chance, storm = random.Random(seed), Storm(own_sound, seed)
    errors: list[float | None] = []
    try:
        async with parts("desk", "clip_mic") as all_:
            all_.microphone.open()
            pulled = 0
            while pulled < rounds:
                more, error = await answer(all_, storm, chance, number=1000 * seed + pulled)
                pulled += more
                errors.append(error)
            assert not all_.happened(MicFailed)
            # The talk goes on: what is said now arrives, and what is answered sounds.
            captured_ms = all_.captured_ms
            await until(lambda: all_.captured_ms > captured_ms + 300, WITHIN_S)
            last = PartId("item_last")
            all_.speaker.play(last, noise(300, seed=1))
            all_.speaker.end(last)
            await until(lambda: PlaybackFinished(last) in all_.posted, WITHIN_S)
            all_.microphone.close()
            await until(lambda: MicClosed() in all_.posted, WITHIN_S)
    finally:
        await asyncio.to_thread(storm.close)
    return errors


@pytest.mark.parametrize("rounds", [pytest.param(100, marks=pytest.mark.slow), 6])
async def test_plugs_are_pulled_at_random_while_it_speaks_and_listens(own_sound: VirtualSound, rounds: int) -> None:
    threads, handles = threading.active_count(), psutil.Process().num_fds()
    errors = await weather(own_sound, rounds, seed=rounds)
    trusted = [error for error in errors if error is not None]
    print(f"errors of {len(trusted)} of {len(errors)} answers:", ", ".join(f"{error:+.1f}" for error in trusted))
    assert all(abs(error) <= HEARD_WITHIN_MS for error in trusted)
    await until(lambda: threading.active_count() <= threads + 2, WITHIN_S)  # the executor's own threads stay
    assert psutil.Process().num_fds() <= handles + 4
