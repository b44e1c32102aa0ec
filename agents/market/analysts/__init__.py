"""Analysts: from figures to advice that cites them."""
