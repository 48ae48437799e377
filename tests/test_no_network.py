"""Nothing is looked up and nothing is sent: every process is watched from its first line."""

import os
import subprocess
import sys
import textwrap

import cv2
import numpy as np
import pytest

WATCH = """
import os, sys

def watch(event, args):
    if event in {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "urllib.Request"}:
        what = str(args[:2])
        loopback = os.environ.get("LOOPBACK") and str(args[0]) in {"127.0.0.1", "localhost", "::1"}
    elif event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
        address = args[1]
        what = str(address)
        # a string is the path of a local socket between own processes
        loopback = isinstance(address, (str, bytes)) or address is None
        loopback = loopback or (os.environ.get("LOOPBACK") and address[0] in {"127.0.0.1", "::1"})
    else:
        return
    if not loopback:
        with open(os.environ["NETWORK_LOG"], "a", encoding="utf-8") as log:
            log.write(f"{event} {what}\\n")
        raise OSError(f"no network here: {event} {what}")

sys.addaudithook(watch)
"""


@pytest.fixture
def watched(tmp_path):
    """Return a function that runs Python code with every network call noted and refused, and returns the notes."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(WATCH, encoding="utf-8")
    log = tmp_path / "network.log"

    def run(code, *, loopback=False, check=True):
        log.touch()
        environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "NETWORK_LOG": str(log)}
        environment |= {"LOOPBACK": "1"} if loopback else {}
        command = [sys.executable, "-c", textwrap.dedent(code)]
        result = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=800
        )
        if check:
            assert result.returncode == 0, result.stdout + result.stderr
        return log.read_text(encoding="utf-8")

    return run


@pytest.fixture
def movie(tmp_path):
    """Twelve frames of three dark disks, and their boxes in YOLO's format."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:96, :96]
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    for index in range(12):
        mean = np.full((96, 96), 150.0)
        lines = []
        for cx, cy in np.array([[24.0, 24], [70, 30], [44, 68]]) + rng.normal(0, 1, (3, 2)):
            mean[np.hypot(x - cx, y - cy) < 8] = 90
            lines.append(f"0 {cx / 96:.5f} {cy / 96:.5f} {16 / 96:.5f} {16 / 96:.5f}")
        cv2.imwrite(str(tmp_path / "images" / f"f{index}.png"), rng.poisson(mean).clip(0, 255).astype(np.uint8))
        (tmp_path / "labels" / f"f{index}.txt").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path


def test_the_watch_sees_a_look_up_and_a_connection(watched):
    """The guard of the tests below works, also in a child process."""
    code = """
    import socket, subprocess, sys
    try:
        socket.getaddrinfo("example.invalid", 80)
    except OSError:
        pass
    child = "import socket; socket.socket().connect(('192.0.2.1', 9))"
    subprocess.run([sys.executable, "-c", child], stderr=subprocess.DEVNULL)
    """
    assert [line.split()[0] for line in watched(code).splitlines()] == ["socket.getaddrinfo", "socket.connect"]


def test_the_fast_runtime_does_not_report_that_it_was_imported(watched):
    """OpenVINO's own telemetry is not loaded, and a later import of it by others still works."""
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    code = """
    import sys, time
    from lptem_tracker.detect.runtimes import openvino_quietly

    assert openvino_quietly().__version__
    assert "openvino_telemetry" not in sys.modules
    time.sleep(2)
    """
    assert watched(code) == ""


def test_demo_analyze_report_and_train_stay_at_home(watched, movie):
    """Demo, analysis, page and training make no connection and no look-up, with all that they import and start."""
    code = """
    from lptem_tracker.cli.app import _run
    from lptem_tracker.simulate import presets

    presets.PRESETS["demo"] |= {"n_frames": 10, "count": 8, "n_attach": 0, "n_coalesce": 0, "n_nucleate": 0}
    presets.PRESETS["demo"] |= {"width_px": 160, "height_px": 160, "n_dissolve": 0}
    commands = (
        "demo -o demo",
        "analyze images -o run --pixel-size-nm 1 --frame-interval-s 0.1",
        "report run",
        "info images",
        "train --data . -o own --minutes 0.02 --device cpu",
    )
    for command in commands:
        assert _run(command.split()) == 0, command
    """
    assert watched(code) == ""


def test_a_local_batch_talks_to_itself_alone(watched, movie):
    """Dask's scheduler and workers speak over the loopback interface and look up no other name."""
    pytest.importorskip("distributed", reason="dask.distributed is not installed")
    code = """
    if __name__ == "__main__":
        from lptem_tracker.cli.app import _run

        assert _run("batch images -o runs --workers 1 --detector blob --no-overlay --no-report".split()) == 0
    """
    assert watched(code, loopback=True) == ""
