from __future__ import annotations

import subprocess
import sys

import pytest

from desktop_app.audio.streams import DeviceTime, _environment

NOW = 5000.0


def test_the_devices_clock_may_be_any() -> None:
    assert DeviceTime().monotonic(1_700_000_000.040, 1_700_000_000.0, NOW) == pytest.approx(NOW + 0.040, abs=1e-6)


def test_what_a_callback_waited_for_the_interpreter_is_not_counted() -> None:
    clock = DeviceTime()
    clock.monotonic(10.04, 10.0, NOW)
    # 20 ms later by the device, but the callback got the interpreter 5 ms late.
    assert clock.monotonic(10.06, 10.02, NOW + 0.025) == pytest.approx(NOW + 0.06, abs=0.0002)


def test_a_late_first_callback_is_corrected_by_the_next() -> None:
    clock = DeviceTime()
    clock.monotonic(10.04, 10.0, NOW + 0.005)
    assert clock.monotonic(10.06, 10.02, NOW + 0.020) == pytest.approx(NOW + 0.06)


@pytest.mark.parametrize("step_s", [-3600.0, 3600.0])
def test_a_clock_that_is_set_is_followed_at_once(step_s: float) -> None:
    clock = DeviceTime()
    clock.monotonic(10.04, 10.0, NOW)
    assert clock.monotonic(10.06 + step_s, 10.02 + step_s, NOW + 0.02) == pytest.approx(NOW + 0.06)


def test_clocks_that_drift_apart_are_followed() -> None:
    clock = DeviceTime()
    for number in range(5000):  # 100 s at 100 ppm: 10 ms apart at the end
        device, now = number * 0.02, NOW + number * 0.02 * 1.0001
        dac_at = clock.monotonic(device + 0.04, device, now)
    assert dac_at == pytest.approx(now + 0.04, abs=0.0005)


def test_the_environment_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.setenv("PULSE_SINK", "before")
    monkeypatch.delenv("PULSE_SOURCE", raising=False)
    with _environment({"PULSE_SINK": "mine", "PULSE_SOURCE": "mine too"}):
        assert os.environ["PULSE_SINK"] == "mine"
    assert os.environ["PULSE_SINK"] == "before"
    assert "PULSE_SOURCE" not in os.environ


def test_portaudio_is_imported_when_a_stream_is_opened_not_before() -> None:
    code = (
        "import sys; import desktop_app.audio.speaker, desktop_app.audio.microphone, desktop_app.audio.devices;"
        "sys.exit('sounddevice' in sys.modules or 'pulsectl' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_missing_portaudio_is_a_sentence_with_a_next_step() -> None:
    code = (
        "import ctypes.util, sys\n"
        "ctypes.util.find_library = lambda name: None\n"
        "from desktop_app.audio.streams import SoundSystem\n"
        "from desktop_app.errors import AudioDeviceError\n"
        "try: SoundSystem().open_output(None, 0.04, lambda *_: None, lambda: None)\n"
        "except AudioDeviceError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.startswith("The sound library PortAudio is missing. Install it")
