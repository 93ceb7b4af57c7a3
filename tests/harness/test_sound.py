"""The virtual sound card does what the tests that use it take for granted."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.harness.processes import MissingProgram, start, stop, wait_until
from tests.harness.sound import MIC, RATE_HZ, SPEAKER, Recorder, Samples, VirtualSound

pytestmark = pytest.mark.sound

ROOT = Path(__file__).parent.parent.parent

PLAY = """
import sys, time
import numpy as np
import sounddevice

sound = np.load(sys.argv[1])
position = 0
told = []

def fill(out, frames, when, status):
    global position
    now = time.monotonic()
    block = sound[position:position + frames].tobytes()
    out[:] = block + bytes(len(out) - len(block))
    told.append((position, now + when.outputBufferDacTime - when.currentTime))
    position += frames

with sounddevice.RawOutputStream(
    samplerate=24000, channels=1, dtype="int16", blocksize=480, latency=0.06, callback=fill
):
    while position < len(sound) + 12000:
        time.sleep(0.02)
for position, dac_time in told:
    print(position, dac_time)
"""

LIST_DEVICES = "import sounddevice; print(*(each['name'].split(',')[0] for each in sounddevice.query_devices()))"


def noise(seconds: float) -> Samples:
    return np.random.default_rng(7).integers(-3000, 3000, round(seconds * RATE_HZ)).astype(np.int16)


def find(samples: Samples, wanted: Samples) -> int:
    """Return the index at which a stretch of sound occurs."""
    size = 1 << (len(samples) + len(wanted)).bit_length()
    spectrum = np.fft.rfft(samples.astype(float), size) * np.conj(np.fft.rfft(wanted.astype(float), size))
    return int(np.argmax(np.fft.irfft(spectrum, size)))


@pytest.fixture
def own_sound() -> Iterator[VirtualSound]:
    """A server of the test's own, to be broken."""
    with VirtualSound() as server:
        yield server


def devices(sound: VirtualSound) -> set[str]:
    command = [sys.executable, "-c", LIST_DEVICES]
    done = subprocess.run(command, env={**os.environ, **sound.env}, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_a_program_s_samples_are_recorded_bit_by_bit_at_the_time_it_was_told(
    sound: VirtualSound, tmp_path: Path
) -> None:
    played = noise(1.5)
    np.save(tmp_path / "sound.npy", played)
    command = [sys.executable, "-c", PLAY, str(tmp_path / "sound.npy")]

    with sound.record() as recorder, sound.record() as other:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)

    samples = recorder.samples
    at = find(samples, played)
    np.testing.assert_array_equal(samples[at : at + len(played)], played)
    told = np.array([line.split() for line in done.stdout.splitlines()], float)
    recorded_at_s = np.array([recorder.time_of(at + position) for position in told[:, 0]])
    assert abs(float(np.median(told[:, 1] - recorded_at_s))) < 0.010
    other_at_s = other.time_of(find(other.samples, played))
    assert abs(recorder.time_of(at) - other_at_s) < 0.005


def test_what_is_played_into_the_microphone_is_heard_there(sound: VirtualSound) -> None:
    said = noise(1.0)

    with sound.record(MIC) as recorder:
        before_s = time.monotonic()
        sound.play(said.tobytes())
        after_s = time.monotonic()
        last_s = recorder.wait_for_silence(lasting_s=0.3)

    first_s = recorder.first_sound(after_s=before_s)
    assert first_s is not None
    assert last_s is not None
    assert before_s < first_s < last_s < after_s + 0.3
    assert last_s - first_s == pytest.approx(1.0, abs=0.05)
    heard = recorder.between(first_s - 0.1, last_s + 0.1)
    at = find(heard, said)
    # The feed runs at 48 kHz, so what is heard was resampled twice.
    assert np.corrcoef(heard[at : at + len(said)], said)[0, 1] > 0.9


def test_devices_come_and_go(own_sound: VirtualSound) -> None:
    assert {SPEAKER, MIC} <= devices(own_sound)

    own_sound.add_sink("headset")
    own_sound.add_source("headset_mic")
    assert {SPEAKER, MIC, "headset", "headset_mic"} <= devices(own_sound)

    own_sound.set_default_source("headset_mic")
    own_sound.remove("headset")
    own_sound.remove(MIC)
    assert devices(own_sound).isdisjoint({MIC, "headset"})
    assert "headset" not in own_sound.pactl("list", "short", "sinks").replace("headset_mic", "")


def test_a_killed_server_ends_recordings_and_can_be_started_again(own_sound: VirtualSound) -> None:
    before = own_sound.record()
    own_sound.kill_server()
    wait_until(lambda: not before.running, "the recording ends")

    own_sound.start_server()
    with own_sound.record() as recorder:
        own_sound.play(noise(0.2).tobytes(), sink=SPEAKER)
        recorder.wait_for_sound()


def test_servers_run_side_by_side(sound: VirtualSound, own_sound: VirtualSound) -> None:
    with sound.record() as here, own_sound.record() as there:
        own_sound.play(noise(0.2).tobytes(), sink=SPEAKER)
        there.wait_for_sound()
        assert here.first_sound() is None


def test_nothing_is_left_behind_when_a_test_fails() -> None:
    def ours() -> set[int]:
        return {child.pid for child in psutil.Process().children(recursive=True)}

    before = ours()
    folder = Path()

    def fail(server: VirtualSound) -> None:
        nonlocal folder
        folder = Path(server.env["PULSE_COOKIE"]).parent.parent
        server.record()
        server.start_playing(noise(30).tobytes())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), VirtualSound() as server:
        fail(server)

    assert ours() == before
    assert not folder.exists()


def test_nothing_is_left_behind_when_the_test_run_is_killed() -> None:
    script = """
import time
from tests.harness.sound import VirtualSound
sound = VirtualSound()
sound.start()
sound.record()
print(sound.env["PULSE_COOKIE"], flush=True)
time.sleep(60)
"""
    victim = start([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=ROOT)
    try:
        assert victim.stdout is not None
        folder = str(Path(victim.stdout.readline().decode()).parent.parent)
        children = psutil.Process(victim.pid).children(recursive=True)
        assert {child.name() for child in children} >= {"pulseaudio", "parec"}
        victim.kill()
        wait_until(lambda: not any(child.is_running() for child in children), "the children end")
    finally:
        stop(victim)
        subprocess.run(["rm", "-rf", folder], check=True)


def test_a_missing_program_is_named_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")

    with pytest.raises(MissingProgram, match=r"pulseaudio.*dev.py setup"):
        VirtualSound().start()


def test_lost_samples_are_noticed(sound: VirtualSound) -> None:
    recorder = Recorder("no such source", sound.env)
    early, late = [(n / 100, n * 240) for n in range(100)], [(n / 100 + 0.1, n * 240) for n in range(100, 200)]

    recorder._arrivals = early
    assert recorder.time_of(RATE_HZ) == pytest.approx(1.0)

    recorder._arrivals = early + late
    with pytest.raises(RuntimeError, match="lost samples"):
        recorder.time_of(0)
