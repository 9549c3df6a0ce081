"""Tests of vgit.history."""
