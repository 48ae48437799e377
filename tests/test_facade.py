"""The package's front door."""

import subprocess
import sys

import lptem_tracker


def test_every_public_name_is_there_and_the_list_is_short():
    """At most 15 names, each of which loads."""
    assert len(lptem_tracker.__all__) <= 15
    for name in lptem_tracker.__all__:
        assert getattr(lptem_tracker, name) is not None


def test_functions_win_over_rooms_of_the_same_name():
    """`lptem_tracker.link` is the function, also after the room was imported."""
    import importlib

    importlib.import_module("lptem_tracker.link")
    assert callable(lptem_tracker.link)
    assert callable(lptem_tracker.detect)


def test_importing_the_package_loads_nothing_heavy():
    """torch, pandas, numpy and matplotlib come in when they are used."""
    code = (
        "import sys, lptem_tracker\n"
        "print([m for m in ('torch', 'pandas', 'numpy', 'matplotlib', 'cv2') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_help_loads_nothing_heavy():
    """The list of commands is there at once."""
    code = (
        "import sys\nfrom lptem_tracker.cli.app import app\n"
        "app.main(['--help'], standalone_mode=False)\n"
        "print([m for m in ('torch', 'pandas', 'numpy', 'matplotlib', 'pydantic') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip().endswith("[]")
    assert "analyze" in result.stdout
