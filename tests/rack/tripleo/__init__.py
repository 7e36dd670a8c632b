"""Tests of rack.tripleo."""
