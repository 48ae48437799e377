"""Fixtures that every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def shared_data() -> Path:
    """Folder of the real data sets; the test is skipped where they are not at hand."""
    if not SHARED.is_dir():
        pytest.skip("the real data sets (../shared/data) are not at hand")
    return SHARED
