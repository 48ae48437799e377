"""Colour to grey without a change of scale."""

import numpy as np
import pytest

from lptem_tracker.errors import MovieError
from lptem_tracker.movie.grey import native, to_grey


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize("colours", [3, 4])
def test_equal_channels_come_back_exactly(dtype, colours):
    """A grey picture saved as RGB or RGBA is what it was, in its own depth."""
    grey = np.arange(12).reshape(3, 4).astype(dtype) * 7
    colour = np.stack([grey] * colours, axis=-1)
    assert np.array_equal(to_grey(colour), grey)
    assert to_grey(colour).dtype == grey.dtype


def test_colours_are_weighted_as_bt601_does():
    """Pure red, green and blue of 200 become 0.299, 0.587 and 0.114 of it, rounded."""
    colour = (np.eye(3) * 200).astype(np.uint8)[None]
    assert to_grey(colour).tolist() == [[60, 117, 23]]


def test_alpha_is_dropped():
    """Grey with alpha is its first channel."""
    assert to_grey(np.array([[[9, 255], [8, 0]]], np.uint8)).tolist() == [[9, 8]]


def test_foreign_byte_order_becomes_native_with_the_same_values():
    """Big-endian pixels keep their values, native ones are not copied."""
    big = np.array([[1, 256]], ">u2")
    assert native(big).tolist() == [[1, 256]]
    assert native(big).dtype.isnative
    own = np.zeros((2, 2), np.float32)
    assert native(own) is own


def test_structured_colour_is_read():
    """The record pixels of DigitalMicrograph have a luminance, too."""
    pixels = np.zeros((1, 1), [("R", "u1"), ("G", "u1"), ("B", "u1"), ("A", "u1")])
    pixels["G"] = 100
    assert to_grey(pixels).tolist() == [[59]]


@pytest.mark.parametrize("pixels", [np.zeros((2, 2), complex), np.zeros((2, 2, 5)), np.zeros((2, 2), [("q", "u1")])])
def test_what_is_no_picture_is_refused(pixels):
    """Complex pixels, odd numbers of channels and unknown records give a sentence."""
    with pytest.raises(MovieError, match=r"expected|has the shape"):
        to_grey(pixels)
