"""A sound card without hardware: a private PulseAudio server, and a recorder that knows when each sample sounded.

    with VirtualSound() as sound:
        program = start(["parley"], env=sound.env)
        with sound.record() as recorder:
            sound.play(Path("question.wav"))
            heard_at = recorder.wait_for_sound()

    va_speaker    a sink: what the program plays. 24 kHz mono, as the program's own audio, so that a recording
                  holds the program's samples bit by bit
    va_mic_feed   a sink: what is played here…
    va_mic        …is what this source, the microphone, hears

Servers of several tests run side by side: each has its own folder, socket and ALSA configuration. PortAudio
comes to the server by ALSA's pulse plugin, so ALSA must be told too (`ALSA_CONFIG_PATH`).

Every sink is a `module-null-sink` with `norewinds=1`. Without it the sink renders up to two seconds ahead and
rewinds, which shows as output that stalls after its first buffer, and as input that comes two seconds late.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import time
import wave
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tests.harness.processes import DidNotHappen, require, run, start, stop, wait_until

RATE_HZ = 24_000
"""The rate of recordings, and of PCM given to `play`: mono, 16 bit, as on the wire."""

SPEAKER = "va_speaker"
MIC_FEED = "va_mic_feed"
MIC = "va_mic"

Samples = NDArray[np.int16]

_BLOCK_MS = 10


class VirtualSound:
    """A private sound server with one speaker and one microphone; more can be plugged in and out."""

    def __init__(self, speaker_rate_hz: int = RATE_HZ, speaker_channels: int = 1) -> None:
        self._speaker_format = (speaker_rate_hz, speaker_channels)
        self._folder = Path()
        self._server: subprocess.Popen[bytes] | None = None
        self._playing: list[subprocess.Popen[bytes]] = []
        self._recorders: list[Recorder] = []
        self._modules: dict[str, list[str]] = {}
        """Device name → the modules that make it, in the order they were loaded."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- the server -----------------------------------------------------------------------------

    def start(self) -> None:
        """Start the server and plug in speaker and microphone.

        Raises MissingProgram, or RuntimeError with the server's own words.
        """
        require(["pulseaudio", "pactl", "paplay", "parec"])
        self._folder = Path(tempfile.mkdtemp(prefix="parley-sound-"))
        try:
            self.start_server()
        except BaseException:
            self.stop()
            raise

    def start_server(self) -> None:
        """Start the server, after `start` or after it was killed, with its two devices."""
        for name in ("run", "state"):
            (self._folder / name).mkdir(mode=0o700, exist_ok=True)
        self._socket.unlink(missing_ok=True)
        (self._folder / "run" / "pid").unlink(missing_ok=True)
        self._modules.clear()
        with (self._folder / "log").open("wb") as log:
            self._server = start(self._server_command(), self._server_env(), stdout=log, stderr=log)
        wait_until(self._answers, "the sound server answers")
        self.add_sink(SPEAKER, rate_hz=self._speaker_format[0], channels=self._speaker_format[1])
        self.add_source(MIC)
        self.set_default_sink(SPEAKER)
        self.set_default_source(MIC)

    def kill_server(self) -> None:
        """Let the server die, as a crash would: every stream ends."""
        assert self._server is not None
        self._server.kill()
        self._server.wait()

    def stop(self) -> None:
        """End everything that was started and remove the folder."""
        for recorder in self._recorders:
            recorder.stop()
        for process in self._playing:
            stop(process)
        if self._server is not None:
            stop(self._server)
            self._server = None
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def env(self) -> dict[str, str]:
        """What a child needs in its environment to use this sound card and no other."""
        return {
            "PULSE_SERVER": f"unix:{self._socket}",
            "PULSE_COOKIE": str(self._folder / "state" / "cookie"),
            "ALSA_CONFIG_PATH": f"/usr/share/alsa/alsa.conf:{self._folder / 'asound.conf'}",
        }

    @property
    def log(self) -> str:
        """What the server has said so far."""
        return (self._folder / "log").read_text(encoding="utf-8", errors="replace")

    @property
    def _socket(self) -> Path:
        return self._folder / "run" / "native"

    def _server_command(self) -> list[str]:
        return [
            "pulseaudio",
            "-n",  # nothing of the system's own configuration
            f"--load=module-native-protocol-unix auth-anonymous=1 socket={self._socket}",
            "--exit-idle-time=-1",
            "--disallow-exit",
            "--daemonize=no",
            "--use-pid-file=no",
            "--realtime=no",
            "--high-priority=no",
            "--log-target=stderr",
            "--log-level=notice",
        ]

    def _server_env(self) -> dict[str, str | None]:
        state = str(self._folder / "state")
        return {
            "HOME": state,
            "XDG_CONFIG_HOME": state,
            "XDG_RUNTIME_DIR": str(self._folder / "run"),
            "PULSE_RUNTIME_PATH": str(self._folder / "run"),
            "PULSE_STATE_PATH": state,
            "PULSE_SERVER": None,
            "DBUS_SESSION_BUS_ADDRESS": None,
            "DISPLAY": None,
        }

    def _answers(self) -> bool:
        assert self._server is not None
        if self._server.poll() is not None:
            raise RuntimeError(f"PulseAudio did not start:\n{self.log}")
        try:
            self.pactl("info")
        except RuntimeError:
            return False
        return True

    # --- devices --------------------------------------------------------------------------------

    def add_sink(
        self, name: str, *, rate_hz: int = 48_000, channels: int = 2, sample_format: str = "s16le"
    ) -> None:
        """Plug in a speaker; PortAudio sees it under its name when it looks again."""
        self._load(
            name,
            f"module-null-sink sink_name={name} norewinds=1 rate={rate_hz} channels={channels} "
            f"format={sample_format} sink_properties=device.description={name}",
        )

    def add_source(self, name: str) -> None:
        """Plug in a microphone; what is played into the sink `<name>_feed` is what it hears."""
        self._load(
            name,
            f"module-null-sink sink_name={name}_feed norewinds=1 rate=48000 channels=1 "
            f"format=s16le sink_properties=device.description={name}_feed",
        )
        self._load(
            name,
            f"module-remap-source master={name}_feed.monitor source_name={name} "
            f"source_properties=device.description={name}",
        )

    def remove(self, name: str) -> None:
        """Pull a speaker or microphone out."""
        for module in reversed(self._modules.pop(name)):
            self.pactl("unload-module", module)
        self._tell_alsa()

    def set_default_sink(self, name: str) -> None:
        """Choose the speaker of programs that do not choose."""
        self.pactl("set-default-sink", name)

    def set_default_source(self, name: str) -> None:
        """Choose the microphone of programs that do not choose."""
        self.pactl("set-default-source", name)

    def pactl(self, *arguments: str) -> str:
        """Ask or tell the server anything else; return its answer, raise RuntimeError with its refusal."""
        return run(["pactl", *arguments], self.env)

    def microphone_is_open(self) -> bool:
        """Whether anybody records from the microphone."""
        sources = dict(line.split("\t")[:2][::-1] for line in self.pactl("list", "short", "sources").splitlines())
        streams = self.pactl("list", "short", "source-outputs").splitlines()
        return any(line.split("\t")[1] == sources[MIC] for line in streams)

    def _load(self, name: str, module: str) -> None:
        loaded = self.pactl("load-module", *module.split()).strip()
        self._modules.setdefault(name, []).append(loaded)
        self._tell_alsa()

    def _tell_alsa(self) -> None:
        """ALSA reads the file again when it has changed."""
        server = f'type pulse server "unix:{self._socket}"'
        lines = [f"pcm.!default {{ {server} }}", f"ctl.!default {{ {server} }}"]
        lines += [
            f'pcm.{name} {{ {server} device {name} hint {{ show on description "{name}" }} }}'
            for name in self._modules
        ]
        draft = self._folder / "asound.new"
        draft.write_text("\n".join(lines) + "\n", encoding="utf-8")
        draft.replace(self._folder / "asound.conf")

    # --- speaking and hearing -------------------------------------------------------------------

    def play(self, sound: Path | bytes, sink: str = MIC_FEED) -> None:
        """Play into the microphone, a WAV file or PCM16 mono at `RATE_HZ`, and return when it is over."""
        process = self.start_playing(sound, sink)
        if process.wait() != 0:
            raise RuntimeError(f"paplay could not play into {sink}.\n{self.log}")

    def start_playing(self, sound: Path | bytes, sink: str = MIC_FEED) -> subprocess.Popen[bytes]:
        """Begin to play; wait for the process to know the end, terminate it to fall silent."""
        if isinstance(sound, bytes):
            sound = self._as_wav(sound)
        # Whole files by paplay: writing to pacat at the pace of speech leaves gaps of its own. The server halves
        # what latency leaves of twice the process time: 95 ms are held by the stream, so it never runs dry, and 5
        # by the sink, so that the microphone is not heard in the large blocks that 100 ms would make of it.
        command = ["paplay", f"--device={sink}", "--latency-msec=100", "--process-time-msec=45", str(sound)]
        process = start(command, self.env)
        self._playing.append(process)
        return process

    def record(self, source: str = f"{SPEAKER}.monitor") -> Recorder:
        """Begin to record, by default what the speaker plays; return when samples arrive."""
        recorder = Recorder(source, self.env)
        self._recorders.append(recorder)
        recorder.start()
        return recorder

    def _as_wav(self, pcm: bytes) -> Path:
        handle, name = tempfile.mkstemp(suffix=".wav", dir=self._folder)
        os.close(handle)
        write_wav(Path(name), pcm)
        return Path(name)


class Recorder:
    """A recording with an exact timeline on CLOCK_MONOTONIC, the clock of `time.monotonic()`.

    A null sink posts each block at the moment its first sample is due, by a timer on that very clock, so the
    sample rate is exact and all that is unknown is one offset: arrival − index / rate. It is taken where the
    blocks come early, because a block can come late but never early. Measured with the default speaker: of
    500 blocks 498 arrive within 0.3 ms of each other; two recorders of one sink agree within 0.1 ms; the DAC
    time that PortAudio tells a program for a sample is that sample's time here within 0.2 ms (the first
    callbacks of a stream excepted, which it tells 9 ms too early). With a speaker of 48 kHz stereo the server
    resamples: the recording is no longer the program's own samples, and the times differ by up to 9 ms.
    """

    def __init__(self, source: str, env: dict[str, str]) -> None:
        self._source = source
        self._env = env
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._read, name=f"recorder of {source}", daemon=True)
        self._lock = threading.Lock()
        self._pcm = bytearray()
        self._arrivals: list[tuple[float, int]] = []
        """When a block came, and the index of its first sample."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin; return when samples arrive."""
        command = ["parec", "--raw", f"--rate={RATE_HZ}", "--channels=1", "--format=s16le"]
        command += [f"--latency-msec={_BLOCK_MS}", f"--device={self._source}"]
        self._process = start(command, self._env, stdout=subprocess.PIPE)
        self._thread.start()
        try:
            wait_until(lambda: self._arrivals, f"a recording of {self._source} begins")
        except DidNotHappen:
            self.stop()
            raise

    def stop(self) -> None:
        """End the recording; what was recorded stays."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.terminate()
        self._thread.join(5)
        stop(self._process)
        self._process = None

    @property
    def running(self) -> bool:
        """Whether samples can still come; not after `stop`, nor when the server died."""
        return self._thread.is_alive()

    def _read(self) -> None:
        process = self._process
        assert process is not None
        assert process.stdout is not None
        pipe = process.stdout.fileno()
        while block := os.read(pipe, 1 << 16):
            now = time.monotonic()
            with self._lock:
                self._arrivals.append((now, len(self._pcm) // 2))
                self._pcm += block

    # --- what was recorded ----------------------------------------------------------------------

    @property
    def samples(self) -> Samples:
        """Everything recorded so far: int16, mono, at `RATE_HZ`."""
        with self._lock:
            return np.frombuffer(bytes(self._pcm[: len(self._pcm) & ~1]), np.int16)

    def save(self, path: Path) -> None:
        """Write everything recorded so far to a WAV file."""
        write_wav(path, self.samples.tobytes())

    def time_of(self, index: float) -> float:
        """Return the monotonic time at which the sample of this index sounded, in seconds."""
        return self._offset_s() + index / RATE_HZ

    def index_at(self, monotonic_s: float) -> int:
        """Return the index of the sample that sounded at this time; it may lie outside the recording."""
        return round((monotonic_s - self._offset_s()) * RATE_HZ)

    def between(self, begin_s: float, end_s: float) -> Samples:
        """Return what sounded between two monotonic times."""
        return self.samples[max(0, self.index_at(begin_s)) : max(0, self.index_at(end_s))]

    def late_ms(self) -> float:
        """Return by how much the latest block came late: large when the machine was too busy to trust it."""
        arrivals = self._copy_of_arrivals()
        return float(np.max(arrivals[:, 0] - arrivals[:, 1] / RATE_HZ) - self._offset_s()) * 1000

    def _offset_s(self) -> float:
        """Return the monotonic time of sample 0; raise RuntimeError if samples were lost on the way."""
        arrivals = self._copy_of_arrivals()
        offsets = arrivals[:, 0] - arrivals[:, 1] / RATE_HZ
        half = len(offsets) // 2
        if half > 50 and _early(offsets[half:]) - _early(offsets[:half]) > 0.025:
            raise RuntimeError("The recording has lost samples: its timeline cannot be trusted.")
        return _early(offsets)

    def _copy_of_arrivals(self) -> NDArray[np.float64]:
        with self._lock:
            return np.array(self._arrivals, np.float64)

    # --- finding things in it -------------------------------------------------------------------

    def first_sound(self, after_s: float = 0.0, threshold: int = 200) -> float | None:
        """Return when it first was louder than the threshold after a monotonic time, or None if it was not."""
        first = max(0, self.index_at(after_s)) if after_s else 0
        loud = np.flatnonzero(np.abs(self.samples[first:].astype(np.int32)) > threshold)
        return self.time_of(first + int(loud[0])) if loud.size else None

    def last_sound(self, before_s: float | None = None, threshold: int = 200) -> float | None:
        """Return when it last was louder than the threshold (before a monotonic time), or None."""
        samples = self.samples if before_s is None else self.samples[: max(0, self.index_at(before_s))]
        loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > threshold)
        return self.time_of(int(loud[-1])) if loud.size else None

    def wait_for_sound(self, after_s: float = 0.0, deadline_s: float = 10.0, threshold: int = 200) -> float:
        """Wait until something sounds after a monotonic time; return when it began."""

        def found() -> float | None:
            return self.first_sound(after_s, threshold)

        return wait_until(found, f"a sound from {self._source}", deadline_s) or 0.0

    def wait_for_silence(
        self, lasting_s: float = 0.5, deadline_s: float = 30.0, threshold: int = 200
    ) -> float | None:
        """Wait until nothing has sounded for a while; return when the last sound was, None if never."""

        def quiet() -> bool:
            samples = self.samples
            tail = samples[-round(lasting_s * RATE_HZ) :].astype(np.int32)
            return len(samples) >= lasting_s * RATE_HZ and not np.any(np.abs(tail) > threshold)

        wait_until(quiet, f"silence from {self._source}", deadline_s)
        return self.last_sound(threshold=threshold)


def _early(offsets: NDArray[np.float64]) -> float:
    """Return what all but the earliest tenth exceed: not the minimum, for one odd block would decide it."""
    return float(np.percentile(offsets, 10))


def write_wav(path: Path, pcm: bytes, rate_hz: int = RATE_HZ) -> None:
    """Write PCM16 mono to a WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(pcm)


def read_wav(path: Path) -> bytes:
    """Read the PCM16 mono at `RATE_HZ` of a WAV file; raise ValueError if it is something else."""
    with wave.open(str(path), "rb") as file:
        if (file.getnchannels(), file.getsampwidth(), file.getframerate()) != (1, 2, RATE_HZ):
            raise ValueError(f"{path} is not 16 bit mono at {RATE_HZ} Hz")
        return file.readframes(file.getnframes())
