"""Scenes by name."""

from __future__ import annotations

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    "demo": {
        "width_px": 512, "height_px": 384, "n_frames": 120, "pixel_size_nm": 0.8, "frame_interval_s": 0.1,
        "exposure_s": 0.08, "count": 25, "radius_nm": 6.4, "radius_sd": 0.12, "D_nm2_s": 8.0, "n_attach": 2,
        "n_coalesce": 2, "n_nucleate": 1, "n_dissolve": 1, "snr": 2.0, "contrast": 0.35, "background_swing": 0.5,
        "drift_x_nm_s": 0.6, "drift_y_nm_s": -0.3, "fringe": 0.03, "contamination": 2, "hot_pixels": 6,
    },
    "brownian": {
        "width_px": 512, "height_px": 512, "n_frames": 200, "pixel_size_nm": 1.0, "frame_interval_s": 0.1,
        "exposure_s": 0.05, "count": 40, "radius_nm": 7.0, "D_nm2_s": 20.0, "snr": 3.0, "contrast": 0.3,
    },
    "rods": {
        "width_px": 1024, "height_px": 1024, "n_frames": 61, "pixel_size_nm": 2.0, "frame_interval_s": 0.0125,
        "exposure_s": 0.0125, "count": 7, "radius_nm": 22.0, "radius_sd": 0.06, "shapes": ("rod",), "aspect": 2.6,
        "motion": "fractional", "D_nm2_s": 400.0, "alpha": 0.7, "Dr_rad2_s": 1.0, "drift_x_nm_s": -30.0,
        "drift_y_nm_s": -72.0, "snr": 0.83, "contrast": 0.3, "background_swing": 0.7, "lag1": 0.17, "profile": 0.1,
        "smears": 1.0, "blur_px": 1.0,
    },
    "lattice": {
        "width_px": 512, "height_px": 512, "n_frames": 60, "pixel_size_nm": 1.0, "frame_interval_s": 0.5,
        "count": 400, "radius_nm": 9.0, "radius_sd": 0.03, "arrangement": "hexagonal", "spacing": 1.25,
        "motion": "confined", "D_nm2_s": 2.0, "confinement_rms_nm": 0.6, "core_gap_px": 0.0, "snr": 4.0,
        "contrast": 0.45, "jump_rate_s": 0.2, "jump_nm": 6.0,
    },
    "growth": {
        "width_px": 512, "height_px": 512, "n_frames": 150, "pixel_size_nm": 0.5, "frame_interval_s": 0.5,
        "count": 60, "radius_nm": 3.0, "radius_sd": 0.15, "motion": "brownian", "D_nm2_s": 0.05, "growth_nm_s": 0.03,
        "n_nucleate": 15, "n_coalesce": 6, "n_dissolve": 3, "snr": 3.0, "contrast": 0.4,
    },
    "ripening": {
        "width_px": 1024, "height_px": 1024, "n_frames": 200, "pixel_size_nm": 0.5, "frame_interval_s": 1.0,
        "count": 350, "radius_nm": 5.0, "motion": "brownian", "D_nm2_s": 0.01, "ripening_K_nm3_s": 0.35, "snr": 3.0,
        "contrast": 0.4,
    },
    "aggregation": {
        "width_px": 768, "height_px": 768, "n_frames": 300, "pixel_size_nm": 1.0, "frame_interval_s": 0.1,
        "exposure_s": 0.05, "count": 90, "radius_nm": 7.0, "radius_sd": 0.06, "D_nm2_s": 120.0, "sticking": 1.0,
        "core_gap_px": 0.3, "boundary": "reflect", "snr": 3.0, "contrast": 0.4,
    },
    "empty": {
        "width_px": 512, "height_px": 512, "n_frames": 50, "pixel_size_nm": 1.0, "frame_interval_s": 0.1, "count": 0,
        "snr": 2.0, "background_swing": 0.7, "texture": 0.02, "smears": 1.0, "contamination": 3,
        "background_period_s": 6.0, "hot_pixels": 10,
    },
    "dense": {
        "width_px": 1024, "height_px": 1024, "n_frames": 40, "pixel_size_nm": 0.7, "frame_interval_s": 0.2,
        "count": 1000, "radius_nm": 2.6, "radius_sd": 0.08, "D_nm2_s": 0.4, "core_gap_px": 1.0, "snr": 4.0,
        "contrast": 0.5,
    },
}  # fmt: skip
"""Values of `Scene` that differ from its defaults."""
