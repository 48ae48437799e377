"""The pooled results of a run as its summary holds them, made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest


@pytest.fixture
def step_summary() -> dict[str, Any]:
    """Ensemble of D = 60 nm²/s and σ = 0.3 nm: distributions, checks, classes, waits and hops."""
    x = np.linspace(-5, 5, 21)
    density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    density[[0, -1]] = 0.0
    part = {"x_nm": x.tolist(), "density": density.tolist(), "gaussian": density.tolist(), "n": 200}
    return {
        "D_nm2_s": 60.0,
        "D_ci95": [40.0, 85.0],
        "localization_nm": 0.3,
        "motion": "brownian",
        "motion_fractions": {"immobile": 0.001, "brownian": 0.9, "ctrw": 0.099},
        "components": [[20.0, 0.25], [73.0, 0.75]],
        "anisotropy": {"D_x_over_D_y": 2.0, "ci95": [1.5, 2.7]},
        "non_gaussian": 0.1,
        "non_gaussian_std": 0.08,
        "van_hove": [
            part | {"lag_s": 0.0125, "non_gaussian": 0.1, "non_gaussian_std": 0.08},
            part | {"lag_s": 0.05, "non_gaussian": None, "non_gaussian_std": None},
        ],
        "velocity_autocorrelation": {
            "lag_s": [0.0, 0.0125, 0.025],
            "value": [1.0, -0.2, None],
            "std": [0.03, 0.05, None],
            "brownian_with_this_noise": [1.0, -0.18, 0.0],
            "localization_error_alone": [1.0, -0.5, 0.0],
        },
        "waiting_times_s": [0.1, 0.1, 0.3, 0.5],
        "waiting_mean_s": 0.25,
        "hop_lengths_nm": [3.0, 4.0, 5.0],
        "hop_rms_nm": 4.08,
        "n_hops": 3,
        "checks": {
            "D_cve_nm2_s": 58.0,
            "D_link_free_nm2_s": 90.0,
            "link_free_over_linked": 1.5,
            "link_free_over_linked_std": 0.1,
            "link_correction": 1.0,
            "step_over_spacing": 0.3,
        },
        "estimates": {"Dr_rad2_s": {"value": 0.004, "ci": [0.001, 0.007]}},
    }
