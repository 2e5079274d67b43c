"""Tests that are kept in files image by image, so that one that was killed can go on."""
