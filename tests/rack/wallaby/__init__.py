"""Tests of rack.wallaby."""
